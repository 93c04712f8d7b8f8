"""Group commit: the orders that arrive while a write is in flight share the next write.

A write that is journaled by a majority costs MongoDB and the driver about the same for one order as for twenty. So one
request at a time, the leader, writes its own order and those of up to 63 requests that wait. When that write ends, the
newest waiting request leads the next write. A request that arrives alone writes at once, as it would without group
commit.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WriteError,
)

from shared.mongo import DUPLICATE_KEY, OPERATION_SECONDS, Document, is_document_error

BATCH = 64  # orders in one write; request bodies are bounded, so a write has at most 6 MiB and fits in one command


class InsertNotSent(ServerSelectionTimeoutError):  # noqa: N818 - a state of the order
    """The request gave up while its order waited in the queue: the order was not sent and never will be."""


class _Waiter:
    """An order that waits for its write. The group commit's lock guards every field except `woken`."""

    __slots__ = ("document", "error", "is_done", "is_leader", "woken")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.error: Exception | None = None
        self.is_done = self.is_leader = False
        self.woken = threading.Lock()
        self.woken.acquire()


class GroupCommit:
    """Inserts orders with their collection's write concern, many in one write. Thread-safe; create after the fork."""

    def __init__(self, orders: Collection[Document], *, seconds: float = OPERATION_SECONDS) -> None:
        """`seconds` bounds the wait for a write that another request leads."""
        self._orders = orders
        self._seconds = seconds
        self._lock = threading.Lock()
        self._queue: deque[_Waiter] = deque()
        self._is_writing = False

    def insert(self, document: Document) -> None:
        """Insert, and return when the write is confirmed; raise what `insert_one` would raise for this document.

        Also raise InsertNotSent, or NetworkTimeout (sent, but no reply), if the write of another request takes too
        long.
        """
        waiter = _Waiter(document)
        with self._lock:
            if self._is_writing:
                self._queue.append(waiter)
            else:
                self._is_writing = waiter.is_leader = True
        if not waiter.is_leader:
            self._wait(waiter)
        if waiter.is_leader:
            self._lead(waiter)
        if waiter.error is not None:
            raise waiter.error

    def _wait(self, waiter: _Waiter) -> None:
        """Wait until the order is written or this request must lead; raise if the wait is too long."""
        if waiter.woken.acquire(timeout=self._seconds):
            return
        with self._lock:
            if waiter.is_done:
                return
            if waiter.is_leader:  # this request was chosen as leader at the moment when it gave up
                self._promote()
            elif waiter in self._queue:
                self._queue.remove(waiter)
            else:
                raise NetworkTimeout("the write of this order was sent but not confirmed in time")
        raise InsertNotSent("the order waited too long for another write and was not sent")

    def _lead(self, leader: _Waiter) -> None:
        """Write the leader's order and waiting orders together, give each its outcome, and choose the next leader."""
        with self._lock:
            batch = [leader, *(self._queue.popleft() for _ in range(min(len(self._queue), BATCH - 1)))]
        errors: Sequence[Exception | None] = [AutoReconnect("the write was abandoned")] * len(batch)
        try:
            errors = self._write([waiter.document for waiter in batch])
        finally:
            with self._lock:
                for waiter, error in zip(batch, errors, strict=True):
                    waiter.error, waiter.is_done = error, True
                self._promote()
            for waiter in batch[1:]:
                waiter.woken.release()

    def _promote(self) -> None:
        """Let the newest waiting request lead the next write, as it has the most time left."""
        if self._queue:
            leader = self._queue.pop()
            leader.is_leader = True
            leader.woken.release()
        else:
            self._is_writing = False

    def _write(self, documents: Sequence[Document]) -> list[Exception | None]:
        """Insert the documents; return for each its error, or None when it is confirmed."""
        if len(documents) == 1:
            return [_outcome(self._orders, documents[0])]
        try:
            self._orders.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            return _own_errors(error.details or {}, len(documents))
        except Exception as error:  # noqa: BLE001 - whatever it is, each request raises it
            if is_document_error(error):  # a document cannot be encoded: nothing was sent
                return [_outcome(self._orders, document) for document in documents]
            return [error] * len(documents)
        return [None] * len(documents)


def _outcome(orders: Collection[Document], document: Document) -> Exception | None:
    try:
        orders.insert_one(document)
    except Exception as error:  # noqa: BLE001 - whatever it is, the request raises it
        return error
    return None


def _own_errors(details: Mapping[str, Any], count: int) -> list[Exception | None]:
    """Return the error of each document, or None, from the details of a BulkWriteError.

    A write concern error concerns the whole write: every document without an error of its own gets this error.
    """
    unconfirmed: PyMongoError | None = None
    if concerns := details.get("writeConcernErrors"):
        unconfirmed = WriteConcernError(concerns[0].get("errmsg", ""), concerns[0].get("code"), concerns[0])
    errors: list[Exception | None] = [unconfirmed] * count
    for failed in details.get("writeErrors", []):
        kind = DuplicateKeyError if failed["code"] == DUPLICATE_KEY else WriteError
        errors[failed["index"]] = kind(failed.get("errmsg", ""), failed["code"], failed)
    return errors
