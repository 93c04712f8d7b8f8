"""The orders in MongoDB, to place and to read. Every call goes through a circuit breaker."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import pymongo
from pymongo import DESCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError, ServerSelectionTimeoutError
from pymongo.read_concern import ReadConcern

from order_api.orders import Document
from shared.mongo import OPERATION_SECONDS, is_document_error
from shared.ordering import schema
from shared.resilience.breaker import Breaker, CircuitOpen
from shared.telemetry import log

T = TypeVar("T")

RETRY_SECONDS = 1.0
PING_SECONDS = 0.8  # 1.3 at most: while it selects a server, the driver checks its deadline every 0.5 s
logger = log.get(__name__)


class StoreUnavailable(Exception):  # noqa: N818 - a state, not a defect
    """MongoDB is unavailable and nothing was stored; a retry makes sense after `retry_after` seconds."""

    def __init__(self, retry_after: float = RETRY_SECONDS) -> None:
        super().__init__("MongoDB is unavailable")
        self.retry_after = retry_after


class OutcomeUnknown(Exception):  # noqa: N818
    """It is not known whether the order `order_id` was stored."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"the outcome of {order_id} is unknown")
        self.order_id = order_id


class DuplicateOrder(Exception):  # noqa: N818
    """An order with this id, or with this user's Idempotency-Key, exists or is being inserted."""


class OrderStore:
    """The `orders` collection behind the MongoDB breaker. Thread-safe; create it after the fork."""

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._client: MongoClient[Document] = database.client
        self._local = database[schema.COLLECTION]
        self._majority = self._local.with_options(read_concern=ReadConcern("majority"))
        self._linearizable = self._local.with_options(read_concern=ReadConcern("linearizable"))
        self._breaker = breaker
        self._indexes_ready = threading.Event()

    def prepare(self) -> None:
        """Create the indexes and the validator, and confirm them for this process; raise StoreUnavailable."""
        self._run(lambda: schema.ensure(self._local))
        self._indexes_ready.set()

    @property
    def indexes_ready(self) -> bool:
        """True once the indexes are confirmed: without the unique one, two orders could share a key."""
        return self._indexes_ready.is_set()

    def ping(self) -> None:
        """Check that MongoDB responds; raise StoreUnavailable."""
        with pymongo.timeout(PING_SECONDS):
            self._run(lambda: self._client.admin.command("ping"))

    def insert(self, document: Document) -> None:
        """Store an order, acknowledged by the journals of a majority: the commit point.

        Raise DuplicateOrder, StoreUnavailable (nothing was sent, or the document was rejected) or OutcomeUnknown.
        """
        try:
            with self._breaker.guard():
                self._local.insert_one(document)
        except CircuitOpen as error:
            raise StoreUnavailable(error.retry_after) from None
        except DuplicateKeyError as error:
            raise DuplicateOrder from error
        except PyMongoError as error:
            logger.warning("insert_failed", order_id=document["_id"], **error_fields(error))
            raise (StoreUnavailable() if _was_not_applied(error) else OutcomeUnknown(document["_id"])) from error

    def find_existing(self, document: Document) -> Document | None:
        """Return the order, from a majority read, whose key or id made the insert of `document` a duplicate.

        An insert still in flight is waited for: the causal session delays the second read until what the first one saw
        is committed or rolled back. None if there is no such order (any more).
        """
        query = {"_id": document["_id"]}
        if "idempotency" in document:
            query = {"userid": document["userid"], "idempotency.key": document["idempotency"]["key"]}

        def read() -> Document | None:
            with self._client.start_session(causal_consistency=True) as session:
                if self._local.find_one(query, {"_id": 1}, session=session) is None:
                    return None
                return self._majority.find_one(query, session=session)

        return self._run(read)

    def find(self, order_id: str, userid: str) -> Document | None:
        """Return a user's order, from a majority read."""
        return self._run(lambda: self._majority.find_one({"_id": order_id, "userid": userid}))

    def is_pending(self, order_id: str, userid: str) -> bool:
        """Return whether a user's order exists although a majority read does not show it yet.

        The read is linearizable: a server that was replaced as primary, and so cannot know, raises StoreUnavailable.
        """
        found = self._run(lambda: self._linearizable.find_one({"_id": order_id, "userid": userid}, {"_id": 1}))
        return found is not None

    def find_newest(self, userid: str, *, status: str | None, after: str | None, limit: int) -> list[Document]:
        """Return up to `limit` of a user's orders, newest first, starting behind the order `after`."""
        query: Document = {"userid": userid}
        if status is not None:
            query["status"] = status
        if after is not None:
            query["_id"] = {"$lt": after}
        return self._run(lambda: [*self._majority.find(query, {"history": 0}).sort("_id", DESCENDING).limit(limit)])

    def _run(self, operation: Callable[[], T]) -> T:
        return run_guarded(self._breaker, operation)


def operation_deadline() -> AbstractContextManager[Any]:
    """Return a context in which all operations together have the time limit of one."""
    return pymongo.timeout(OPERATION_SECONDS)


def run_guarded(breaker: Breaker, operation: Callable[[], T]) -> T:
    """Run an idempotent operation through the breaker; raise StoreUnavailable for any error of MongoDB."""
    try:
        with breaker.guard():
            return operation()
    except CircuitOpen as error:
        raise StoreUnavailable(error.retry_after) from None
    except PyMongoError as error:
        logger.warning("mongodb_failed", **error_fields(error))
        raise StoreUnavailable from error


def error_fields(error: PyMongoError) -> dict[str, Any]:
    """Return what a log line may contain of `error`: the server's own text can quote parts of the document."""
    return {"error": type(error).__name__, "code": getattr(error, "code", None)}


def _was_not_applied(error: PyMongoError) -> bool:
    """Return whether an insert is certain to have stored nothing.

    pymongo raises ServerSelectionTimeoutError only while nothing was sent (later it raises the first attempt's error).
    WaitQueueTimeoutError and a server's refusal (no right, no login, no space) can belong to the second attempt, after
    the first one has written. Only a rejection of the document itself counts for both attempts: the second attempt of
    a write that was applied is answered with that write's success.
    """
    return isinstance(error, ServerSelectionTimeoutError) or is_document_error(error)
