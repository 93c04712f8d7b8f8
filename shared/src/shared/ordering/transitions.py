"""Changes of an order's status in MongoDB, each a compare-and-set on the current status."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.mongo import Document, is_document_error
from shared.ordering import outbox_entry
from shared.ordering.schema import COLLECTION
from shared.ordering.status import FAIL, PROCESS, REDRIVE, Status, Transition
from shared.resilience.breaker import Breaker
from shared.telemetry import log

BY = "order-processor"
STUCK_AFTER = 5  # requeues of an order; the document counts them in the field `rearmed`
PAGE = 500
TECHNICAL_FAILURE = "could not be processed; contact the shop"

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """An order's status and the time of its last change of status; each is None if the document has no valid one."""

    status: Status | None
    since: datetime | None


class OrderTransitions:
    """Changes the collection `orders`: writes wait for the journals of a majority, reads return what a majority has.

    `states` alone also returns an order that a majority does not have yet. Every operation may raise CircuitOpen or
    PyMongoError; `shared.mongo.is_document_error` recognizes the error of one document. Thread-safe.
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

    def fail(self, ids: Sequence[str], *, at: datetime, reason: str, by: str = BY) -> int:
        """Change those of `ids` that are PLACED to FAILED; return how many. The buyer reads `reason`.

        A malformed document, which the usual update cannot change, must be passed alone: a second update, which also
        replaces fields of a wrong type, then changes it. If MongoDB rejects that update as well, the order is excluded
        if possible (see `outbox_entry`), and the error is raised.
        """
        try:
            return self._move(FAIL, ids, at=at, by=by, reason=reason, extra=outbox_entry.remove())
        except PyMongoError as error:
            if len(ids) != 1 or not is_document_error(error):
                raise
        entry = {"status": FAIL.target, "at": at, "by": by, "reason": reason}
        return self._change_any_shape(ids[0], {"status": FAIL.source}, _fail_any_shape(entry))

    def redrive(self, ids: Sequence[str], *, at: datetime, by: str, reason: str | None = None) -> int:
        """Change those of `ids` that are FAILED back to PLACED, to be published again; return how many."""
        extra = outbox_entry.restore()
        extra["$set"] |= {"rearmed": 0}
        return self._move(REDRIVE, ids, at=at, by=by, reason=reason, extra=extra)

    def states(self, ids: Collection[str]) -> dict[str, State]:
        """Return the state of each of `ids` that exists.

        An order that a majority has not acknowledged yet is returned as PLACED.
        """
        query, fields = {"_id": {"$in": list(ids)}}, {"status": True, "placed_at": True, "history": {"$slice": -1}}
        with self._breaker.guard():
            states = {document["_id"]: _state(document) for document in self._orders.find(query, fields)}
            if len(states) < len(set(ids)):
                for document in self._local.find(query, fields):
                    states.setdefault(document["_id"], State(Status.PLACED, document.get("placed_at")))
        return states

    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:
        """Return the ids of up to `limit` orders that are PLACED without outbox entry.

        With `stuck`, only orders that were requeued 5 times or more are returned; otherwise only the rest.
        """
        requeue_count: dict[str, Any] = {"$gte": STUCK_AFTER} if stuck else {"$not": {"$gte": STUCK_AFTER}}
        query = outbox_entry.PUBLISHED | {"rearmed": requeue_count}
        with self._breaker.guard():
            found = self._orders.find(query, {"_id": True}, limit=limit, batch_size=PAGE)
            return [document["_id"] for document in found]

    def requeue(self, ids: Sequence[str]) -> int:
        """Requeue those of `ids` that are still PLACED without outbox entry; return how many. Each requeue is counted.

        A malformed document must be passed alone, as in `fail`.
        """
        try:
            return self._restore(ids, outbox_entry.PUBLISHED, {"$inc": {"rearmed": 1}})
        except PyMongoError as error:
            if len(ids) != 1 or not is_document_error(error):
                raise
        requeue_count = {"$add": [{"$cond": [{"$isNumber": "$rearmed"}, "$rearmed", 0]}, 1]}
        update: list[Document] = [{"$set": {"outbox": outbox_entry.RESTORED, "rearmed": requeue_count}}]
        return self._change_any_shape(ids[0], outbox_entry.PUBLISHED, update)

    def include(self, ids: Sequence[str]) -> int:
        """Requeue the excluded orders among `ids`; return how many. Their documents must have been corrected before."""
        return self._restore(ids, outbox_entry.EXCLUDED, {})

    def _restore(self, ids: Sequence[str], condition: Document, extra: Document) -> int:
        with self._breaker.guard():
            query = {"_id": {"$in": list(ids)}} | condition
            return self._orders.update_many(query, outbox_entry.restore() | extra).modified_count

    def _change_any_shape(self, order_id: str, condition: Document, update: list[Document]) -> int:
        """Change one order by an aggregation pipeline; if MongoDB rejects it, exclude the order and raise the error."""
        query = {"_id": order_id} | condition
        try:
            with self._breaker.guard():
                return self._orders.update_one(query, update).modified_count
        except PyMongoError as error:
            if is_document_error(error):
                logger.warning("order_excluded", order_id=order_id, error=type(error).__name__)
                with self._breaker.guard(), suppress(WriteError):
                    self._orders.update_one(query, outbox_entry.exclude())
            raise

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


def technical_failure(order_id: str) -> str:
    """Return the reason that the buyer sees when an order failed for a technical cause."""
    return f"{TECHNICAL_FAILURE}, reference {order_id}"


def _fail_any_shape(entry: Document) -> list[Document]:
    """Return an update to FAILED for a malformed document: it keeps version and history if their types are right."""
    version = {"$cond": [{"$isNumber": "$version"}, "$version", 0]}
    history: Document = {"$cond": [{"$isArray": "$history"}, "$history", []]}
    fields = {
        "status": FAIL.target,
        "version": {"$add": [version, 1]},
        "history": {"$concatArrays": [history, [{"$literal": entry}]]},
    }
    return [{"$set": fields}, {"$unset": "outbox"}]


def _state(document: Document) -> State:
    status, history = document.get("status"), document.get("history")
    last = history[-1] if isinstance(history, list) and history else None
    since = last.get("at") if isinstance(last, dict) else None
    return State(Status(status) if status in tuple(Status) else None, since if isinstance(since, datetime) else None)
