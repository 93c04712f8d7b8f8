"""The MongoDB client, made one way, and what its errors mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
)

from shared.config.settings import SettingsError

Document = dict[str, Any]
T = TypeVar("T")

OPERATION_SECONDS = 2.0
DUPLICATE_KEY = 11000
DOCUMENT_VALIDATION = 121
# What a server answers of one document: it breaks a unique index, the validator, or the size limit.
RECORD_CODES = frozenset({DUPLICATE_KEY, DOCUMENT_VALIDATION, 10334, 17280, 17419, 17420})


def connect(uri: str, *, ca_file: Path, database: str, app_name: str, pool: int) -> Database[Document]:
    """Return the database over TLS: majority and journaled writes, primary reads, 2 s for every operation.

    Where the driver looks for a server, it looks at its deadline every 0.5 s, so an operation may take that much more.
    Makes no I/O: a server that is away shows at the first operation. Call it after the fork; close
    `database.client` at the end. `pool` bounds the connections, and so the operations at one time; all are made in the
    background from the first operation on.
    Raises SettingsError for an address or a file that cannot be used; the driver's own words may quote the password.
    """
    try:
        return _client(uri, ca_file=ca_file, app_name=app_name, pool=pool)[database]
    except (ValueError, OSError, ConfigurationError):
        raise SettingsError("MONGODB_URI or MONGODB_CA_FILE is not usable") from None


def _client(uri: str, *, ca_file: Path, app_name: str, pool: int) -> MongoClient[Document]:
    return MongoClient(
        uri,
        appname=app_name,
        tls=True,
        tlsCAFile=str(ca_file),
        tz_aware=True,
        w="majority",
        journal=True,
        retryWrites=True,
        retryReads=True,
        timeoutMS=int(OPERATION_SECONDS * 1000),
        serverSelectionTimeoutMS=int(OPERATION_SECONDS * 1000),  # else close() looks for a server for 30 s
        maxPoolSize=pool,
        minPoolSize=pool,  # a request that gives up a handshake after its 2 s takes all other connections down with it
        maxConnecting=4,
        heartbeatFrequencyMS=1000,
        connect=False,
    )


def is_document_error(error: Exception) -> bool:
    """Tell whether `error` is about the document in hand, and so no word about the server."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        writes = details.get("writeErrors", [])
        return bool(writes) and not details.get("writeConcernErrors") and all(w["code"] in RECORD_CODES for w in writes)
    if isinstance(error, OperationFailure):
        return error.code in RECORD_CODES
    return isinstance(error, DocumentTooLarge | BSONError | OverflowError)


def halves(batch: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Return both halves of a batch of which MongoDB refuses a record: tried again, they soon leave that one alone."""
    return batch[: len(batch) // 2], batch[len(batch) // 2 :]


def is_failure(error: Exception) -> bool:
    """Tell whether `error` says that MongoDB is unwell, for the circuit breaker."""
    return isinstance(error, PyMongoError) and not is_document_error(error)
