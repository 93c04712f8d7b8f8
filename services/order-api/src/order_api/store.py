"""The orders in MongoDB, as order-api needs them: to place and to read. Every call goes through the breaker."""

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
PING_SECONDS = 0.8  # or 1.3: the driver, looking for a server, looks at its deadline every 0.5 s
logger = log.get(__name__)


class StoreUnavailable(Exception):  # noqa: N818 - a state, not a defect
    """MongoDB could not do it, and nothing was done; repeating makes sense after `retry_after` seconds."""

    def __init__(self, retry_after: float = RETRY_SECONDS) -> None:
        super().__init__("the database is not available")
        self.retry_after = retry_after


class OutcomeUnknown(Exception):  # noqa: N818
    """Whether the order `order_id` was stored is not known."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"the outcome of {order_id} is unknown")
        self.order_id = order_id


class DuplicateOrder(Exception):  # noqa: N818
    """An order with this id, or with this user's Idempotency-Key, is there or on its way."""


class OrderStore:
    """The `orders` collection behind the MongoDB breaker. Safe for threads; make it after the fork."""

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._client: MongoClient[Document] = database.client
        self._local = database[schema.COLLECTION]
        self._majority = self._local.with_options(read_concern=ReadConcern("majority"))
        self._certain = self._local.with_options(read_concern=ReadConcern("linearizable"))
        self._breaker = breaker
        self._confirmed = threading.Event()

    def prepare(self) -> None:
        """Make the indexes and the validator, and confirm them for this process; raise StoreUnavailable."""
        self._call(lambda: schema.ensure(self._local))
        self._confirmed.set()

    @property
    def is_confirmed(self) -> bool:
        """True once the indexes are known to be there: without the unique one, two orders could share a key."""
        return self._confirmed.is_set()

    def ping(self) -> None:
        """Ask MongoDB for a sign of life; raise StoreUnavailable."""
        with pymongo.timeout(PING_SECONDS):
            self._call(lambda: self._client.admin.command("ping"))

    def insert(self, document: Document) -> None:
        """Store an order, acknowledged by a majority's journals: the commit point.

        Raise DuplicateOrder, StoreUnavailable (nothing was sent, or the document was refused) or OutcomeUnknown.
        """
        try:
            with self._breaker.guard():
                self._local.insert_one(document)
        except CircuitOpen as error:
            raise StoreUnavailable(error.retry_after) from None
        except DuplicateKeyError as error:
            raise DuplicateOrder from error
        except PyMongoError as error:
            logger.warning("insert_failed", order_id=document["_id"], **describe(error))
            raise (StoreUnavailable() if _did_nothing(error) else OutcomeUnknown(document["_id"])) from error

    def find_earlier(self, document: Document) -> Document | None:
        """Return the order, safe on a majority, whose key or id made the insert of `document` a duplicate.

        An insert that is still on its way is waited for: the causal session makes the second read wait until what the
        first one saw is safe, or gone. None when there is no such order (any more).
        """
        query = {"_id": document["_id"]}
        if "idempotency" in document:
            query = {"userid": document["userid"], "idempotency.key": document["idempotency"]["key"]}

        def read() -> Document | None:
            with self._client.start_session(causal_consistency=True) as session:
                if self._local.find_one(query, {"_id": 1}, session=session) is None:
                    return None
                return self._majority.find_one(query, session=session)

        return self._call(read)

    def find(self, order_id: str, userid: str) -> Document | None:
        """Return a user's order, safe on a majority."""
        return self._call(lambda: self._majority.find_one({"_id": order_id, "userid": userid}))

    def is_on_its_way(self, order_id: str, userid: str) -> bool:
        """Tell whether there is a user's order after all, which the majority that was asked does not show yet.

        Certain also when the server that is asked has been replaced as primary, and does not know: then it raises.
        """
        found = self._call(lambda: self._certain.find_one({"_id": order_id, "userid": userid}, {"_id": 1}))
        return found is not None

    def newest(self, userid: str, *, status: str | None, after: str | None, limit: int) -> list[Document]:
        """Return up to `limit` of a user's orders, newest first, from the one after the order `after`."""
        query: Document = {"userid": userid}
        if status is not None:
            query["status"] = status
        if after is not None:
            query["_id"] = {"$lt": after}
        return self._call(lambda: [*self._majority.find(query, {"history": 0}).sort("_id", DESCENDING).limit(limit)])

    def _call(self, operation: Callable[[], T]) -> T:
        return call(self._breaker, operation)


def deadline() -> AbstractContextManager[Any]:
    """Return what gives all operations of a block together the time of one."""
    return pymongo.timeout(OPERATION_SECONDS)


def call(breaker: Breaker, operation: Callable[[], T]) -> T:
    """Run an operation that may be repeated through the breaker; raise StoreUnavailable for any error of MongoDB."""
    try:
        with breaker.guard():
            return operation()
    except CircuitOpen as error:
        raise StoreUnavailable(error.retry_after) from None
    except PyMongoError as error:
        logger.warning("mongodb_failed", **describe(error))
        raise StoreUnavailable from error


def describe(error: PyMongoError) -> dict[str, Any]:
    """Return what a log line may say of `error`: a server's own words can hold parts of the document."""
    return {"error": type(error).__name__, "code": getattr(error, "code", None)}


def _did_nothing(error: PyMongoError) -> bool:
    """Tell whether it is certain that an insert did nothing.

    pymongo raises ServerSelectionTimeoutError only while nothing was sent (later it raises the first try's error). But
    WaitQueueTimeoutError and a server's refusal (no right, no login, no room) it raises of a second try as well, and
    unmarked: the first try may have written. Only a refusal of the document itself is one of both tries, as a second
    try of a write that was done is answered with that write's success.
    """
    return isinstance(error, ServerSelectionTimeoutError) or is_document_error(error)
