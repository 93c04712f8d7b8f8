"""The MongoDB client with its fixed options, and what its errors mean."""

from datetime import datetime
from pathlib import Path
from typing import Any

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
    WriteError,
)

from shared.config.settings import SettingsError

Document = dict[str, Any]

OPERATION_SECONDS = 2.0
DUPLICATE_KEY = 11000
DOCUMENT_VALIDATION = 121
# Error codes about one document: it violates a unique index, the validator or the size limit.
RECORD_CODES = frozenset({DUPLICATE_KEY, DOCUMENT_VALIDATION, 10334, 17280, 17419, 17420})
# BadValue, TypeMismatch, PathNotViable: as errors of one write, they say that an update does not fit its document. As
# errors of a whole command they concern the command or the server, and must not be attributed to an order.
WRITE_CODES = RECORD_CODES | {2, 14, 28}


def connect(uri: str, *, ca_file: Path, database: str, app_name: str, pool: int) -> Database[Document]:
    """Return the database, used over TLS: majority and journaled writes, primary reads, 2 s for every operation.

    An operation may take 0.5 s longer: while it selects a server, the driver checks its deadline every 0.5 s.
    This function contacts no server: an unavailable one shows at the first operation. Call it after the fork, and close
    `database.client` at the end. `pool` limits the connections, and so the concurrent operations; the first operation
    opens them all in the background. Raise SettingsError for a URI that cannot be used; the driver's own message may
    quote the password, so it is not shown.
    """
    try:
        client = _client(uri, ca_file=ca_file, app_name=app_name, pool=pool)
    except (ValueError, OSError, ConfigurationError):
        raise SettingsError("MONGODB_URI: cannot be used; check its host names and options") from None
    # MongoDB stores text that is not valid UTF-8, and by default one such text makes a whole read fail. Here each byte
    # that is not UTF-8 becomes a lone surrogate, which no encoder accepts: the text can be read, but not passed on.
    tolerant = client.codec_options.with_options(unicode_decode_error_handler="surrogateescape")
    return client.get_database(database, codec_options=tolerant)


def _client(uri: str, *, ca_file: Path, app_name: str, pool: int) -> MongoClient[Document]:
    return MongoClient(
        uri,
        appname=app_name,
        tls=True,
        tlsCAFile=str(ca_file),
        tz_aware=True,
        # a date outside Python's range is returned as DatetimeMS
        datetime_conversion="DATETIME_AUTO",
        w="majority",
        journal=True,
        retryWrites=True,
        retryReads=True,
        timeoutMS=int(OPERATION_SECONDS * 1000),
        serverSelectionTimeoutMS=int(OPERATION_SECONDS * 1000),  # otherwise close() waits for a server for up to 30 s
        maxPoolSize=pool,
        # opened in the background: if a request timed out (2 s) in a handshake, the driver would close every connection
        minPoolSize=pool,
        maxConnecting=4,
        heartbeatFrequencyMS=1000,
        connect=False,
    )


def is_document_error(error: Exception) -> bool:
    """Return whether `error` is about the document, rather than the server."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        writes = details.get("writeErrors", [])
        return bool(writes) and not details.get("writeConcernErrors") and all(w["code"] in WRITE_CODES for w in writes)
    if isinstance(error, WriteError):
        return error.code in WRITE_CODES
    if isinstance(error, OperationFailure):
        return error.code in RECORD_CODES
    return isinstance(error, DocumentTooLarge | BSONError | OverflowError)


def is_failure(error: Exception) -> bool:
    """Return whether `error` counts as a failure of MongoDB, for the circuit breaker."""
    return isinstance(error, PyMongoError) and not is_document_error(error)


def truncate_to_milliseconds(moment: datetime) -> datetime:
    """Return the time as MongoDB stores it: in whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
