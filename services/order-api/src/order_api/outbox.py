"""The outbox markers in MongoDB: the real thing behind `sweep.Outbox`."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from order_api.orders import Document
from order_api.store import call
from order_api.sweep import CLAIM, FIRST_BACK_OFF, LONGEST_BACK_OFF, TOO_FAR_AHEAD, Backlog
from shared.mongo import halves, is_document_error
from shared.ordering import schema
from shared.resilience.breaker import Breaker
from shared.telemetry import log

BACKLOG_LIMIT = 100_000  # counted at most: all of a day's outage would take longer than an operation may
REFUSED_LIMIT = 10_000
Change = Document | list[Document]

logger = log.get(__name__)


class Markers:
    """The `outbox` field of the orders, behind the MongoDB breaker."""

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._admin = database.client.admin
        self._orders: Collection[Document] = database[schema.COLLECTION]
        self._majority = self._orders.with_options(read_concern=ReadConcern("majority"))
        # A lost removal or release costs a duplicate or a delay, so it need not wait for a majority.
        self._fast = self._orders.with_options(write_concern=WriteConcern(w=1))
        self._breaker = breaker
        self._refused: dict[str, datetime] = {}  # ids of orders that could not be claimed, and when

    def now(self) -> datetime:
        """Return the database's clock."""
        aware = self._orders.codec_options  # a command by itself answers in naive times
        hello = call(self._breaker, lambda: self._admin.command("hello", codec_options=aware))
        now: datetime = hello["localTime"]
        return now

    def find_due(self, now: datetime, limit: int) -> list[str]:
        """Return ids of PLACED orders whose `due` has passed, or is too far ahead, safe on a majority.

        An order whose claim was refused rests for 30 s as if it had been claimed: a batch of them, first by `due` for
        ever, would else be all that is found. So 10,000 of them do not hold up the others.
        """
        self._refused = {order_id: at for order_id, at in self._refused.items() if abs(now - at) < CLAIM}
        enough = limit + len(self._refused)
        found = call(self._breaker, lambda: [*self._majority.find(_due(now), {"_id": 1}).limit(enough)])
        return [record["_id"] for record in found if record["_id"] not in self._refused][:limit]

    def claim(self, ids: Sequence[str], claim: str, now: datetime) -> None:
        """Give those of `ids` that are still due to `claim` for 30 s, safe on a majority."""
        change = {"$set": {"outbox.due": now + CLAIM, "outbox.claim": claim}, "$inc": {"outbox.attempts": 1}}
        refused = self._update(self._orders, ids, _due(now), change)
        self._refused = self._refused | dict.fromkeys(refused[: REFUSED_LIMIT - len(self._refused)], now)

    def find_claimed(self, ids: Sequence[str], claim: str) -> list[Document]:
        """Return those of `ids` that carry `claim`, safe on a majority."""
        query = {"_id": {"$in": [*ids]}, "status": "PLACED", "outbox.claim": claim}
        return call(self._breaker, lambda: [*self._majority.find(query, {"history": 0})])

    def release(self, ids: Sequence[str], claims: Sequence[str], jitter: float) -> None:
        """Make those of `ids` that carry one of `claims` due again after a back-off of 1 to 20 s, by their attempts."""
        doubled = {"$multiply": [_milliseconds(FIRST_BACK_OFF), {"$pow": [2, {"$subtract": ["$outbox.attempts", 1]}]}]}
        delay = {"$multiply": [{"$min": [_milliseconds(LONGEST_BACK_OFF), doubled]}, 1 - jitter / 2]}
        due = {"$add": ["$$NOW", delay]}
        query = {"status": "PLACED", "outbox.claim": {"$in": [*claims]}}
        self._update(self._fast, ids, query, [{"$set": {"outbox.due": due}}])

    def remove(self, ids: Sequence[str]) -> None:
        """Take the markers of `ids` away: their events are published."""
        self._update(self._fast, ids, {}, {"$unset": {"outbox": ""}})

    def backlog(self) -> Backlog:
        """Return what is in the outbox, by the database's clock.

        Only the first 100,000 by `due` are counted; while nothing can be published, the oldest is among them.
        """
        age = {"$dateDiff": {"startDate": "$placed_at", "endDate": "$$NOW", "unit": "millisecond"}}
        steps: list[Document] = [
            {"$match": {"status": "PLACED", "outbox.due": {"$type": "date"}}},
            {"$limit": BACKLOG_LIMIT},
            {"$group": {"_id": None, "pending": {"$sum": 1}, "age": {"$max": age}}},
        ]
        found = call(self._breaker, lambda: [*self._orders.aggregate(steps)])
        return Backlog(found[0]["pending"], max(0, found[0]["age"]) / 1000) if found else Backlog(0, 0)

    def _update(self, orders: Collection[Document], ids: Sequence[str], query: Document, change: Change) -> list[str]:
        """Change those of `ids` that match `query`; return those that are refused for their own sake."""
        refused = self._refused_by(lambda some: orders.update_many({"_id": {"$in": [*some]}} | query, change), ids)
        if refused:
            logger.error("outbox_update_rejected", count=len(refused), order_id=refused[0])
        return refused

    def _refused_by(self, update: Callable[[Sequence[str]], object], ids: Sequence[str]) -> list[str]:
        if call(self._breaker, lambda: _try(lambda: update(ids))):
            return []
        return [*ids] if len(ids) == 1 else [one for half in halves(ids) for one in self._refused_by(update, half)]


def _try(update: Callable[[], object]) -> bool:
    try:
        update()
    except PyMongoError as error:
        if is_document_error(error):
            return False
        raise
    return True


def _due(now: datetime) -> Document:
    passed = [{"outbox.due": {"$lte": now}}, {"outbox.due": {"$gt": now + TOO_FAR_AHEAD}}]
    return {"status": "PLACED", "$or": passed}


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
