"""The orders in memory, with the rules that MongoDB keeps for order-api."""

import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from order_api.outbox import CLAIM, FIRST_BACK_OFF, LONGEST_BACK_OFF, TOO_FAR_AHEAD, Backlog, Outbox
from order_api.store import DuplicateOrder
from shared.store import StoreUnavailable

Document = dict[str, Any]


class FakeOrders:
    """Behind both `store.OrderStore` and `outbox.Outbox`: one collection, as a primary and its majority see it.

    Ids in `unsafe` are on the primary only. While `error` is set every call raises it; `insert_error` is raised by the
    next insert, which stores its document all the same if `insert_is_lost` is false. Ids in `refused` are those that
    the validator lets nobody change.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.documents: dict[str, Document] = {}
        self.unsafe: set[str] = set()
        self.refused: set[str] = set()
        self.error: Exception | None = None
        self.insert_error: Exception | None = None
        self.insert_is_lost = True
        self.indexes_ready = True
        self._now = now
        self._unclaimable: dict[str, datetime] = {}  # ids of those whose claim was refused, and when
        self._lock = threading.RLock()

    def prepare(self) -> None:
        self._fail()
        self.indexes_ready = True

    def ping(self) -> None:
        self._fail()

    def insert(self, document: Document) -> None:
        with self._lock:
            self._fail()
            error, self.insert_error = self.insert_error, None
            if error is None or not self.insert_is_lost:
                if document["_id"] in self.documents or self._of_key(document) is not None:
                    raise DuplicateOrder
                self.documents[document["_id"]] = deepcopy(document)
            if error:
                raise error

    def find_existing(self, document: Document) -> Document | None:
        with self._lock:
            self._fail()
            found = self._of_key(document) if "idempotency" in document else self.documents.get(document["_id"])
            return self._seen(found)

    def find(self, order_id: str, userid: str) -> Document | None:
        with self._lock:
            self._fail()
            return self._seen(self._of_user(order_id, userid))

    def is_pending(self, order_id: str, userid: str) -> bool:
        with self._lock:
            self._fail()
            return self._of_user(order_id, userid) is not None

    def find_newest(self, userid: str, *, status: str | None, after: str | None, limit: int) -> list[Document]:
        with self._lock:
            self._fail()
            newest_first = sorted(self.documents.values(), key=lambda d: d["_id"], reverse=True)
            wanted = [d for d in newest_first if d["userid"] == userid and status in {None, d["status"]}]
            page = [d for d in map(self._seen, wanted) if d and (after is None or d["_id"] < after)]
            return [{k: v for k, v in d.items() if k != "history"} for d in page[:limit]]

    def sweep(self, *, claim: str, limit: int) -> list[Document]:
        anything: Any = self
        return Outbox.sweep(anything, claim=claim, limit=limit)

    def now(self) -> datetime:
        self._fail()
        return self._now()

    def find_due(self, now: datetime, limit: int) -> list[str]:
        with self._lock:
            self._fail()
            resting = {order_id for order_id, at in self._unclaimable.items() if now - at < CLAIM}
            seen = map(self._seen, self.documents.values())
            due = [d for d in seen if d and _is_due(d, now) and d["_id"] not in resting]
            return [d["_id"] for d in sorted(due, key=lambda d: d["outbox"]["due"])[:limit]]

    def claim(self, ids: Sequence[str], claim: str, now: datetime) -> None:
        with self._lock:
            self._fail()
            self._unclaimable |= dict.fromkeys(self.refused.intersection(ids), now)
            for document in self._changeable(ids):
                if _is_due(document, now):
                    marker = document["outbox"]
                    marker |= {"due": now + CLAIM, "claim": claim, "attempts": marker["attempts"] + 1}

    def find_claimed(self, ids: Sequence[str], claim: str) -> list[Document]:
        with self._lock:
            self._fail()
            found = [self._seen(self.documents.get(order_id)) for order_id in ids]
            return [d for d in found if d and d["status"] == "PLACED" and d.get("outbox", {}).get("claim") == claim]

    def release(self, ids: Sequence[str], claims: Sequence[str], jitter: float) -> None:
        with self._lock:
            self._fail()
            for document in self._changeable(ids):
                marker = document.get("outbox")
                if marker and document["status"] == "PLACED" and marker["claim"] in claims:
                    delay = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(marker["attempts"] - 1, 10))
                    marker["due"] = self._now() + delay * (1 - jitter / 2)

    def remove(self, ids: Sequence[str]) -> None:
        with self._lock:
            self._fail()
            for document in self._changeable(ids):
                document.pop("outbox", None)

    def backlog(self) -> Backlog:
        with self._lock:
            self._fail()
            waiting = [d for d in self.documents.values() if d["status"] == "PLACED" and "outbox" in d]
            ages = [self._now() - d["placed_at"] for d in waiting]
            return Backlog(len(waiting), max(ages, default=timedelta()).total_seconds())

    def _fail(self) -> None:
        if self.error:
            raise self.error

    def _of_user(self, order_id: str, userid: str) -> Document | None:
        found = self.documents.get(order_id)
        return found if found and found["userid"] == userid else None

    def _of_key(self, document: Document) -> Document | None:
        wanted = (document["userid"], document.get("idempotency", {}).get("key"))
        same = (d for d in self.documents.values() if (d["userid"], d.get("idempotency", {}).get("key")) == wanted)
        return next(same, None) if wanted[1] else None

    def _seen(self, document: Document | None) -> Document | None:
        """Return a copy of what a majority has."""
        return None if document is None or document["_id"] in self.unsafe else deepcopy(document)

    def _changeable(self, ids: Sequence[str]) -> list[Document]:
        return [self.documents[i] for i in ids if i in self.documents and i not in self.refused]


def _is_due(document: Document, now: datetime) -> bool:
    marker = document.get("outbox")
    if document["status"] != "PLACED" or not marker:
        return False
    return bool(marker["due"] <= now or marker["due"] > now + TOO_FAR_AHEAD)


def away() -> StoreUnavailable:
    """Return what a database that is away makes every call raise."""
    return StoreUnavailable(3.2)
