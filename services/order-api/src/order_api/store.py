"""The orders in MongoDB, to place and to read. Every call goes through a circuit breaker."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pymongo import DESCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from order_api.group_commit import GroupCommit
from order_api.orders import Document
from order_api.shared_call import BATCH, SharedCall
from shared import store
from shared.mongo import DOCUMENT_VALIDATION, is_document_error
from shared.ordering import schema
from shared.resilience.breaker import Breaker
from shared.store import StoreUnavailable
from shared.telemetry import log

T = TypeVar("T")

logger = log.get(__name__)
# Orders in one reply of MongoDB while a list is read: the usual page, and the order that shows that there is a next
# one. An order has at most about 70 KiB.
LIST_BATCH = 21


class DuplicateOrder(Exception):  # noqa: N818
    """An order with this id, or with this user's Idempotency-Key, exists or is being inserted."""


class OrderStore:
    """The `orders` collection behind two breakers. Thread-safe; create it after the fork.

    Lists have their own breaker: however expensive one user's lists are, they do not block anybody's orders.
    """

    def __init__(self, database: Database[Document], breaker: Breaker, list_breaker: Breaker) -> None:
        self._database = database
        self._local = database[schema.COLLECTION]
        self._majority = self._local.with_options(read_concern=ReadConcern("majority"))
        self._linearizable = self._local.with_options(read_concern=ReadConcern("linearizable"))
        self._breaker = breaker
        self._list_breaker = list_breaker
        self._group_commit = GroupCommit(self._local)
        self._shared_read = SharedCall(self._read_owned)
        self._indexes_ready = threading.Event()

    def prepare(self) -> None:
        """Create the indexes and the validator, and confirm them; raise StoreUnavailable or IndexConflict."""
        self._run(lambda: schema.ensure(self._local))
        self._indexes_ready.set()

    @property
    def indexes_ready(self) -> bool:
        """True once the indexes are confirmed: without the unique index, two orders could share an Idempotency-Key."""
        return self._indexes_ready.is_set()

    def ping(self) -> None:
        """Check for at most 1.3 s that MongoDB responds; raise StoreUnavailable if it does not."""
        store.ping(self._breaker, self._database)

    def insert(self, document: Document) -> None:
        """Store an order, acknowledged by the journals of a majority: the commit point.

        A replica of release 0.1.0 narrows the validator when it starts: if the validator rejects the document, it is
        widened, and the insert is repeated. Raise DuplicateOrder, StoreUnavailable (nothing was sent, or the document
        was rejected) or OutcomeUnknown.
        """
        try:
            self._insert(document)
        except StoreUnavailable as error:
            if getattr(error.__cause__, "code", None) != DOCUMENT_VALIDATION:
                raise
            if self._run(lambda: schema.widen(self._local)):
                logger.warning("validator_widened")
            self._insert(document)  # in any case: another request may have widened the validator meanwhile

    def _insert(self, document: Document) -> None:
        try:
            store.insert_guarded(self._breaker, self._group_commit.insert, document)
        except DuplicateKeyError as error:
            raise DuplicateOrder from error

    def find_existing(self, document: Document) -> Document | None:
        """Return the order with the Idempotency-Key of `document` or, if it has none, its id, from a majority read.

        If that order's insert is still in flight, this waits for it: in the causal session, the majority read waits
        until what the local read has seen is committed or rolled back. Return None if there is no such order, or
        if it was rolled back.
        """
        query = {"_id": document["_id"]}
        if "idempotency" in document:
            query = {"userid": document["userid"], "idempotency.key": document["idempotency"]["key"]}

        def read() -> Document | None:
            with self._database.client.start_session(causal_consistency=True) as session:
                if self._local.find_one(query, {"_id": 1}, session=session) is None:
                    return None
                return self._majority.find_one(query, session=session)

        return self._run(read)

    def find(self, order_id: str, userid: str) -> Document | None:
        """Return a user's order from a majority read, or None. Requests share the read."""
        return self._run(lambda: self._shared_read.call((order_id, userid)))

    def _read_owned(self, wanted: Sequence[tuple[str, str]]) -> Sequence[Document | Exception | None]:
        """Return for each pair of order id and userid the order, None, or the error of reading it."""
        try:
            if len(wanted) == 1:
                ((order_id, userid),) = wanted
                return [self._majority.find_one({"_id": order_id, "userid": userid})]
            ids, users = ([*values] for values in zip(*wanted, strict=True))
            query = {"_id": {"$in": ids}, "userid": {"$in": users}}
            found = self._majority.find(query, batch_size=BATCH + 1)  # in one reply, up to 16 MiB
            owned = {(record["_id"], record["userid"]): record for record in found}
        except Exception as error:  # noqa: BLE001 - whatever it is, each request raises it
            if len(wanted) > 1 and is_document_error(error):  # one of the orders cannot be decoded
                return [result for pair in wanted for result in self._read_owned([pair])]
            return [error] * len(wanted)
        return [owned.get(pair) for pair in wanted]

    def is_pending(self, order_id: str, userid: str) -> bool:
        """Return whether the primary has a user's order, even if a majority read does not return it yet.

        The read is linearizable: if the server is no longer the primary, it fails with StoreUnavailable.
        """
        found = self._run(lambda: self._linearizable.find_one({"_id": order_id, "userid": userid}, {"_id": 1}))
        return found is not None

    def read_newest(
        self, userid: str, *, status: str | None, after: str | None, limit: int, read: Callable[[Iterable[Document]], T]
    ) -> T:
        """Call `read` with an iterator over up to `limit` of a user's orders, newest first, after the order `after`.

        Return what `read` returns. The orders have no history and come from a majority read, in batches of
        LIST_BATCH: each is fetched only when `read` needs it. Raise StoreUnavailable.
        """
        query: Document = {"userid": userid}
        if status is not None:
            query["status"] = status
        if after is not None:
            query["_id"] = {"$lt": after}

        def run() -> T:
            found = self._majority.find(query, {"history": 0}, batch_size=LIST_BATCH)
            with found.sort("_id", DESCENDING).limit(limit) as cursor:
                return read(cursor)

        return store.run_guarded(self._list_breaker, run)

    def _run(self, operation: Callable[[], T]) -> T:
        return store.run_guarded(self._breaker, operation)
