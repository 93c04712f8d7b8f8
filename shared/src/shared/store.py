"""Calls to MongoDB through a circuit breaker, and the two errors that say how a call failed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import pymongo
from bson.errors import BSONError
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError, ServerSelectionTimeoutError

from shared.mongo import OPERATION_SECONDS, Document, is_document_error
from shared.resilience.breaker import Breaker, CircuitOpen
from shared.telemetry import log

T = TypeVar("T")

RETRY_SECONDS = 1.0
INDEXES_PENDING = "the indexes in MongoDB are not confirmed yet"
PING_SECONDS = 0.8  # a ping may take 0.5 s more: while the driver selects a server, it checks its deadline every 0.5 s
logger = log.get(__name__)
_throttle = log.LogThrottle(seconds=1.0)  # in an outage every thread of a replica fails at once


class StoreUnavailable(Exception):  # noqa: N818 - a state, not a defect
    """A call to MongoDB failed or was not attempted. A retry is safe, and makes sense after `retry_after` seconds."""

    def __init__(self, retry_after: float = RETRY_SECONDS) -> None:
        super().__init__("MongoDB is unavailable")
        self.retry_after = retry_after


class OutcomeUnknown(Exception):  # noqa: N818
    """It is not known whether the document `document_id` was stored."""

    def __init__(self, document_id: str) -> None:
        super().__init__(f"it is not known whether {document_id} was stored")
        self.document_id = document_id


def operation_deadline() -> AbstractContextManager[Any]:
    """Return a context in which all operations together share the time limit of a single operation."""
    return pymongo.timeout(OPERATION_SECONDS)


def run_guarded(breaker: Breaker, operation: Callable[[], T]) -> T:
    """Run an idempotent operation through the breaker; raise StoreUnavailable for an open breaker or a failure."""
    with errors_as_unavailable(), breaker.guard():
        return operation()


@contextmanager
def errors_as_unavailable() -> Iterator[None]:
    """Raise StoreUnavailable for an open breaker and for any error of MongoDB."""
    try:
        yield
    except CircuitOpen as error:
        raise StoreUnavailable(error.retry_after) from None
    except (PyMongoError, BSONError) as error:
        fields = error_fields(error)
        _throttle.log(logger.warning, "mongodb_failed", tuple(fields.values()), **fields)
        raise StoreUnavailable from error


def insert_guarded(breaker: Breaker, insert: Callable[[Document], object], document: Document) -> None:
    """Insert a document through the breaker. `insert` is a collection's `insert_one`, or raises the same errors.

    Raise DuplicateKeyError, StoreUnavailable (nothing was sent, or the document was rejected) or OutcomeUnknown.
    """
    try:
        with breaker.guard():
            insert(document)
    except CircuitOpen as error:
        raise StoreUnavailable(error.retry_after) from None
    except DuplicateKeyError:
        raise
    except (PyMongoError, BSONError) as error:
        logger.warning("insert_failed", document_id=document["_id"], **error_fields(error))
        raise (StoreUnavailable() if _was_not_applied(error) else OutcomeUnknown(document["_id"])) from error


def ping(breaker: Breaker, database: Database[Document]) -> None:
    """Check for at most 1.3 s that MongoDB responds; raise StoreUnavailable if it does not."""
    with pymongo.timeout(PING_SECONDS):
        run_guarded(breaker, lambda: database.client.admin.command("ping"))


def error_fields(error: Exception) -> dict[str, Any]:
    """Return fields of a log line about `error`, without the server's text, which can quote parts of the document."""
    return {"error": type(error).__name__, "code": getattr(error, "code", None)}


def _was_not_applied(error: Exception) -> bool:
    """Return whether an insert is certain to have stored nothing.

    pymongo raises ServerSelectionTimeoutError only while nothing was sent (later it raises the first attempt's error).
    WaitQueueTimeoutError and an error of the server (no right, no login, no space) can come from the driver's retry,
    after the first attempt has written. Of the server's errors, only a rejection of the document itself is certain: if
    the first attempt had written, the server would answer the retry with success.
    """
    return isinstance(error, ServerSelectionTimeoutError) or is_document_error(error)
