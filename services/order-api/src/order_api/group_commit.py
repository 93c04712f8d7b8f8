"""Group commit: the orders that arrive while a write is in flight share the next write, and each keeps its own outcome.

A write that is journaled by a majority costs MongoDB and the driver about the same for one order as for twenty.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError, WriteConcernError, WriteError

from order_api.shared_call import SharedCall
from shared.mongo import DUPLICATE_KEY, OPERATION_SECONDS, Document, is_document_error


class GroupCommit:
    """Inserts orders with their collection's write concern, many in one write. Thread-safe; create after the fork.

    Request bodies are bounded, so a write has at most 6 MiB and fits in one command.
    """

    def __init__(self, orders: Collection[Document], *, seconds: float = OPERATION_SECONDS) -> None:
        """`seconds` bounds the wait for a write that another request leads."""
        self._orders = orders
        self._writes = SharedCall(self._write, seconds=seconds)

    def insert(self, document: Document) -> None:
        """Insert, and return when the write is confirmed; raise what `insert_one` would raise for this document.

        Also raise NotSent, or NetworkTimeout, as `SharedCall.call` does.
        """
        self._writes.call(document)

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
