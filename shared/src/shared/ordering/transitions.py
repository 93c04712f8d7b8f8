"""Changes of an order's status in MongoDB, each a compare-and-set on the present status."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.mongo import Document
from shared.ordering import outbox_entry
from shared.ordering.schema import COLLECTION
from shared.ordering.status import FAIL, PROCESS, REDRIVE, Status, Transition
from shared.resilience.breaker import Breaker

BY = "order-processor"
STUCK_AFTER = 5  # requeues; the document's field for their count is `rearmed`
PAGE = 500


@dataclass(frozen=True, slots=True)
class State:
    """An order's status, and since when it has it."""

    status: Status
    since: datetime


class OrderTransitions:
    """Changes the collection `orders`: writes are acknowledged by a majority's journals, reads see only such writes.

    Every operation raises CircuitOpen or PyMongoError; `shared.mongo.is_document_error` finds errors of one document.
    Safe for threads.
    """

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._breaker = breaker
        self._orders = database.get_collection(
            COLLECTION, read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority", j=True)
        )
        self._local = database.get_collection(COLLECTION, read_concern=ReadConcern("local"))

    def process(self, ids: Sequence[str], *, at: datetime) -> int:
        """Change those of `ids` that are PLACED to PROCESSED; return how many. `at` is in whole milliseconds."""
        return self._move(PROCESS, ids, at=at, extra=outbox_entry.remove() | {"$set": {"processed_at": at}})

    def fail(self, ids: Sequence[str], *, at: datetime, reason: str) -> int:
        """Change those of `ids` that are PLACED to FAILED; return how many. The buyer reads `reason`."""
        return self._move(FAIL, ids, at=at, reason=reason, extra=outbox_entry.remove())

    def redrive(self, ids: Sequence[str], *, at: datetime, by: str, reason: str | None = None) -> int:
        """Change those of `ids` that are FAILED back to PLACED, to be published again; return how many."""
        extra = outbox_entry.restore()
        extra["$set"] |= {"rearmed": 0}
        return self._move(REDRIVE, ids, at=at, by=by, reason=reason, extra=extra)

    def states(self, ids: Collection[str]) -> dict[str, State]:
        """Return the state of each of `ids` that exists.

        An order that this server has, but a majority does not show yet, is returned as PLACED.
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

    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:
        """Return up to `limit` orders that are PLACED without outbox entry.

        With `stuck` only those that were requeued 5 times or more, without it only the others.
        """
        requeue_count: dict[str, Any] = {"$gte": STUCK_AFTER} if stuck else {"$not": {"$gte": STUCK_AFTER}}
        query = outbox_entry.PUBLISHED | {"rearmed": requeue_count}
        with self._breaker.guard():
            found = self._orders.find(query, {"_id": True}, limit=limit, batch_size=PAGE)
            return [document["_id"] for document in found]

    def requeue(self, ids: Sequence[str]) -> int:
        """Give those of `ids` that are still PLACED without outbox entry a new one, and count it; return how many."""
        with self._breaker.guard():
            update = outbox_entry.restore() | {"$inc": {"rearmed": 1}}
            return self._orders.update_many({"_id": {"$in": list(ids)}} | outbox_entry.PUBLISHED, update).modified_count

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
