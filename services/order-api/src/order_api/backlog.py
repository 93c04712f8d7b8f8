"""The orders that wait in the database: one thread counts them for the metrics, at a bounded cost."""

import time
from collections.abc import Callable
from random import random
from typing import NamedTuple

from pymongo import ASCENDING
from pymongo.database import Database

from order_api.metrics import OrderMetrics
from order_api.orders import Document
from shared.ordering import outbox_entry, schema
from shared.ordering.status import Status
from shared.ordering.transitions import TECHNICAL_FAILURE
from shared.resilience.breaker import Breaker
from shared.resilience.worker import Worker
from shared.store import StoreUnavailable, run_guarded
from shared.telemetry import log

LIMIT = 10_000  # counting 100,000 orders took MongoDB up to 3.8 s, but an operation is stopped after 2 s
FAILED_LIMIT = 1_000
PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
SHARE = 0.02  # largest share of the time that is spent reading; more only if LONGEST_PAUSE_SECONDS limits the pause
# The fields of the indexes oldest_placed, outbox_due and failed_by_reason, used as hints: an index with these fields
# and another name serves as well.
BY_AGE = [("placed_at", ASCENDING), ("status", ASCENDING)]
BY_DUE = [("outbox.due", ASCENDING)]
BY_REASON = [("history.reason", ASCENDING)]
_AGE = {"$dateDiff": {"startDate": "$placed_at", "endDate": "$$NOW", "unit": "millisecond"}}

logger = log.get(__name__)


class Backlog(NamedTuple):
    """How many orders wait, counted up to a limit, and the ages of the oldest in seconds, by the database's clock."""

    pending: int
    oldest_pending_seconds: float
    unprocessed: int
    oldest_unprocessed_seconds: float
    excluded: int
    failed: int


class BacklogReader:
    """Reads the backlog of the collection `orders`, behind the MongoDB breaker. For one thread."""

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._orders = database[schema.COLLECTION]
        self._breaker = breaker

    def read(self) -> Backlog:
        """Return the backlog; raise StoreUnavailable."""
        return run_guarded(self._breaker, self._read)

    def _read(self) -> Backlog:
        pending, oldest = self._pending()
        return Backlog(
            pending,
            oldest,
            self._count({"status": Status.PLACED}, hint=dict(BY_AGE)),
            self._oldest_unprocessed(),
            self._count(outbox_entry.EXCLUDED, hint=dict(BY_DUE)),
            self._failed(),
        )

    def _pending(self) -> tuple[int, float]:
        """Return the number of orders with an outbox entry, and the age in seconds of the oldest of them.

        At most LIMIT orders are counted: those with the earliest `due`, without excluded orders. While nothing can be
        published, they include the oldest order.
        """
        steps: list[Document] = [
            {"$match": {"status": "PLACED", "outbox.due": {"$type": "date"}, "placed_at": {"$type": "date"}}},
            {"$limit": LIMIT},
            {"$group": {"_id": None, "pending": {"$sum": 1}, "age": {"$max": _AGE}}},
        ]
        found = [*self._orders.aggregate(steps, hint=dict(BY_DUE))]
        return (found[0]["pending"], max(0, found[0]["age"]) / 1000) if found else (0, 0.0)

    def _count(self, query: Document, *, hint: Document) -> int:
        steps: list[Document] = [{"$match": query}, {"$limit": LIMIT}, {"$group": {"_id": None, "count": {"$sum": 1}}}]
        return sum(found["count"] for found in self._orders.aggregate(steps, hint=hint))

    def _oldest_unprocessed(self) -> float:
        """Return the age in seconds of the oldest PLACED order that is not excluded."""
        query = {"status": Status.PLACED, "outbox.due": {"$not": {"$type": "string"}}, "placed_at": {"$type": "date"}}
        steps: list[Document] = [
            {"$match": query},
            {"$sort": {"placed_at": ASCENDING}},
            {"$limit": 1},
            {"$group": {"_id": None, "age": {"$max": _AGE}}},
        ]
        return float(max(0, sum(found["age"] for found in self._orders.aggregate(steps, hint=dict(BY_AGE)))) / 1000)

    def _failed(self) -> int:
        """Return how many orders are FAILED for a technical reason, FAILED_LIMIT at most: they wait for a person."""
        query = {"status": Status.FAILED, "history.reason": {"$regex": f"^{TECHNICAL_FAILURE}"}}
        found = self._orders.find(query, {"_id": 1, "history": {"$slice": -1}}, hint=BY_REASON).limit(FAILED_LIMIT)
        return sum(str(order["history"][-1].get("reason")).startswith(TECHNICAL_FAILURE) for order in found)


class BacklogMonitor(Worker):
    """Exports the backlog as metrics, every 5 s; less often if reading takes long."""

    def __init__(
        self, reader: BacklogReader, metrics: OrderMetrics, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is monotonic, in seconds."""
        super().__init__("backlog", self._run)
        self._reader = reader
        self._metrics = metrics
        self._clock = clock

    def run_once(self) -> float:
        """Read the backlog and set its metrics, or clear them if it cannot be read; return the pause in seconds."""
        began = self._clock()
        try:
            backlog = self._reader.read()
        except StoreUnavailable:
            self._metrics.clear_backlog()
        except Exception:
            logger.exception("backlog_failed")
            self._metrics.clear_backlog()
        else:
            self._metrics.show_backlog(backlog._asdict())
        return min(LONGEST_PAUSE_SECONDS, max(PAUSE_SECONDS, (self._clock() - began) / SHARE))

    def _run(self) -> None:
        while not self.stopping.is_set():
            pause = self.run_once()
            self.stopping.wait(pause * (1 + random() / 10))  # noqa: S311 - jitter
