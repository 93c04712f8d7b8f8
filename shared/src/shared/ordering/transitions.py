"""Orders in MongoDB, as this service sees them: it moves their status, each time by compare-and-set, and no more."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.mongo import Document
from shared.ordering.status import FAIL, PROCESS, REDRIVE, Status, Transition
from shared.resilience.breaker import Breaker

BY = "order-processor"
STUCK_AFTER = 5
PAGE = 500
UNMARKED = {"status": Status.PLACED, "outbox.due": None}  # by the index on outbox.due


@dataclass(frozen=True, slots=True)
class State:
    """An order's status, and when it came to it."""

    status: Status
    since: datetime


class Orders:
    """The collection `orders`: writes are acknowledged by a majority and its journals, reads see only such writes.

    Every operation raises CircuitOpen or PyMongoError; `shared.mongo.is_document_error` finds errors of one document.
    Safe for threads.
    """

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._breaker = breaker
        self._orders = database.get_collection(
            "orders", read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority", j=True)
        )
        self._local = database.get_collection("orders", read_concern=ReadConcern("local"))

    def process(self, ids: Sequence[str], *, at: datetime) -> int:
        """Move those of `ids` that are PLACED to PROCESSED; return how many. `at` is in whole milliseconds."""
        return self._move(PROCESS, ids, at=at, extra={"$set": {"processed_at": at}, "$unset": {"outbox": ""}})

    def fail(self, ids: Sequence[str], *, at: datetime, reason: str) -> int:
        """Move those of `ids` that are PLACED to FAILED; return how many."""
        return self._move(FAIL, ids, at=at, reason=reason, extra={"$unset": {"outbox": ""}})

    def redrive(self, ids: Sequence[str], *, at: datetime, by: str, reason: str | None = None) -> int:
        """Move those of `ids` that are FAILED back to PLACED, to be published again; return how many."""
        extra = _marker() | {"$set": _marker()["$set"] | {"rearmed": 0}}
        return self._move(REDRIVE, ids, at=at, by=by, reason=reason, extra=extra)

    def states(self, ids: Collection[str]) -> dict[str, State]:
        """Return the state of each of `ids` that exists.

        An order that a majority does not show, but this server does, is not certain yet, and given as PLACED.
        """
        query, fields = {"_id": {"$in": list(ids)}}, {"status": True, "placed_at": True, "history": {"$slice": -1}}
        with self._breaker.guard():
            states = {
                d["_id"]: State(Status(d["status"]), d["history"][-1]["at"]) for d in self._orders.find(query, fields)
            }
            if len(states) < len(set(ids)):
                for document in self._local.find(query, fields):
                    states.setdefault(document["_id"], State(Status.PLACED, document["placed_at"]))
        return states

    def unmarked(self, *, limit: int, stuck: bool) -> list[str]:
        """Return up to `limit` orders that are PLACED without marker.

        `stuck` asks for those that had their marker back 5 times, else the others are meant.
        """
        rearmed: dict[str, Any] = {"$gte": STUCK_AFTER} if stuck else {"$not": {"$gte": STUCK_AFTER}}
        with self._breaker.guard():
            found = self._orders.find(UNMARKED | {"rearmed": rearmed}, {"_id": True}, limit=limit, batch_size=PAGE)
            return [document["_id"] for document in found]

    def rearm(self, ids: Sequence[str]) -> int:
        """Give those of `ids` that are still PLACED without marker their marker back, and count it; return how many."""
        with self._breaker.guard():
            update = _marker() | {"$inc": {"rearmed": 1}}
            return self._orders.update_many({"_id": {"$in": list(ids)}} | UNMARKED, update).modified_count

    def _move(
        self,
        transition: Transition,
        ids: Sequence[str],
        *,
        at: datetime,
        extra: dict[str, Any],
        by: str = BY,
        reason: str | None = None,
    ) -> int:
        entry = {"status": transition.target, "at": at, "by": by, "reason": reason}
        update = extra | {
            "$set": extra.get("$set", {}) | {"status": transition.target},
            "$inc": {"version": 1},
            "$push": {"history": entry},
        }
        with self._breaker.guard():
            query = {"_id": {"$in": list(ids)}, "status": transition.source}
            return self._orders.update_many(query, update).modified_count


def _marker() -> dict[str, Any]:
    """Return the update that has an order's event published by the next sweep, due by the database's own clock."""
    return {
        "$set": {"outbox.attempts": 0, "outbox.claim": None, "outbox.traceparent": None},
        "$currentDate": {"outbox.due": True},
    }
