"""The operator's reads from MongoDB: majority reads, each limited in time.

Documents are read as they are, so that a malformed document can be shown: a date that Python cannot represent is
returned as DatetimeMS, and a byte that is not UTF-8 as a lone surrogate, which `document_check.readable` replaces.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.objectid import ObjectId
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from retail_cli.document_check import readable
from shared.mongo import Document
from shared.ordering.outbox_entry import EPOCH, PENDING, PUBLISHED
from shared.ordering.schema import COLLECTION
from shared.ordering.status import Status
from shared.ordering.transitions import STUCK_AFTER

READ_SECONDS = 8.0
TOLERANT: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="surrogateescape",
)
# PLACED orders whose outbox entry is excluded or malformed.
UNREADABLE: dict[str, Any] = {"status": Status.PLACED, "outbox.due": {"$ne": None, "$not": {"$gt": EPOCH}}}
PLACED_KINDS = (PUBLISHED, PENDING, UNREADABLE)  # queries, each served by the index on `outbox.due`
SUMMARY = {"history": False, "orderitems": False, "idempotency": False}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to list. `since` and `until` are compared with the time in the order's id (a UUIDv7)."""

    userid: str | None = None
    status: Status | None = None
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> dict[str, Any]:
        """Return MongoDB's query for the filter. An index serves it, unless `status` is PLACED without `userid`."""
        query: dict[str, Any] = {}
        if self.userid is not None:
            query["userid"] = self.userid
        if self.status is not None:
            query["status"] = self.status
        bounds = {"$gte": self.since, "$lt": self.until}
        if ids := {operator: first_id(moment) for operator, moment in bounds.items() if moment is not None}:
            query["_id"] = ids
        return query

    def queries(self) -> list[dict[str, Any]]:
        """Return queries that together find the orders; an index serves each of them."""
        if self.status is Status.PLACED and self.userid is None:
            return [self.query() | kind for kind in PLACED_KINDS]
        return [self.query()]


def first_id(moment: datetime) -> str:
    """Return a string that sorts before every id made at `moment` or later, and after every earlier id."""
    digits = f"{max(0, int(moment.timestamp() * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}"


class OrderReader:
    """Reads orders; `shared.ordering.transitions` changes them."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._orders = database.get_collection(COLLECTION, codec_options=TOLERANT, read_concern=ReadConcern("majority"))

    def now(self) -> datetime:
        """Return the database's current time, from which all ages are computed."""
        now: datetime = self._database.command("hello", codec_options=self._database.codec_options)["localTime"]
        return now

    def find(self, order_id: str) -> Document | None:
        """Return an order's document, None if there is none. An id of 24 hexadecimal digits may also be an ObjectId."""
        ids: list[Any] = [order_id]
        if ObjectId.is_valid(order_id):
            ids.append(ObjectId(order_id))
        return self._orders.find_one({"_id": {"$in": ids}})

    def counts(self) -> dict[Status, int]:
        """Return how many orders have each status; PROCESSED is MongoDB's estimate of all orders minus the others."""
        with pymongo.timeout(READ_SECONDS):
            failed = self._orders.count_documents({"status": Status.FAILED})
            placed = sum(self._orders.count_documents(kind) for kind in PLACED_KINDS)
            total = self._orders.estimated_document_count()
        return {
            Status.PLACED: placed,
            Status.PROCESSED: max(0, total - placed - failed),
            Status.FAILED: failed,
        }

    def search(self, wanted: Filter, limit: int) -> list[Document]:
        """Return summaries of orders, newest first."""
        with pymongo.timeout(READ_SECONDS):
            found = [self._newest(query, limit, SUMMARY) for query in wanted.queries()]
        return sorted((order for orders in found for order in orders), key=_sort_key, reverse=True)[:limit]

    def statuses(self, order_ids: Iterable[str]) -> dict[str, str]:
        """Return the status of each of these orders that exists, by its id."""
        found = self._orders.find({"_id": {"$in": [*order_ids]}}, {"status": True})
        return {document["_id"]: readable(str(document.get("status"))) for document in found}

    def failed(self, limit: int) -> Sequence[Document]:
        """Return FAILED orders, newest first."""
        with pymongo.timeout(READ_SECONDS):
            return self._newest({"status": Status.FAILED}, limit)

    def failed_ids(self, limit: int) -> Sequence[str]:
        """Return the ids of FAILED orders, newest first."""
        with pymongo.timeout(READ_SECONDS):
            ids = [order["_id"] for order in self._newest({"status": Status.FAILED}, limit, {"_id": True})]
        return [readable(each) if isinstance(each, str) else each for each in ids]

    def stuck(self, since: datetime, limit: int) -> Sequence[Document]:
        """Return PLACED orders that need attention, oldest first.

        They became PLACED before `since`, or lost their event STUCK_AFTER times or more, or their outbox entry is
        excluded or malformed.
        """
        late = {"$or": [{"history.at": {"$not": {"$gte": since}}}, {"rearmed": {"$gte": STUCK_AFTER}}]}
        with pymongo.timeout(READ_SECONDS):
            found = [self._oldest(query, limit) for query in (PUBLISHED | late, PENDING | late, UNREADABLE)]
        return sorted((order for orders in found for order in orders), key=_sort_key)[:limit]

    def scan(self, seconds: float) -> Iterator[Document]:
        """Yield every order, sorted by id, with ids of any type. Raise PyMongoError if it takes more than `seconds`."""
        with pymongo.timeout(seconds):
            yield from self._orders.find().sort("_id", 1)

    def count_without_outbox_entry(self, order_ids: Sequence[str]) -> int:
        """Return how many of these orders are PLACED and have no outbox entry."""
        return self._orders.count_documents({"_id": {"$in": [*order_ids]}} | PUBLISHED)

    def outbox(self) -> Document:
        """Return the figures of `retail outbox status`, with the times `now` and `oldest` instead of an age."""
        now = self.now()
        with pymongo.timeout(READ_SECONDS):
            groups = self._orders.aggregate([{"$match": PENDING}, {"$group": _counts(now)}]).to_list()
            published = self._orders.count_documents(PUBLISHED)
        counts = groups[0] if groups else {"pending": 0, "due": 0, "claimed": 0, "oldest": None, "most_attempts": 0}
        return counts | {"now": now, "awaiting_processing": published}

    def _newest(self, query: dict[str, Any], limit: int, fields: dict[str, bool] | None = None) -> Sequence[Document]:
        return self._orders.find(query, fields).sort("_id", -1).limit(limit).to_list()

    def _oldest(self, query: dict[str, Any], limit: int) -> Sequence[Document]:
        return self._orders.find(query).sort("_id", 1).limit(limit).to_list()


def _sort_key(order: Document) -> str:
    return str(order["_id"])


def _counts(now: datetime) -> dict[str, Any]:
    is_due = {"$lte": ["$outbox.due", now]}
    has_claim = {"$gt": ["$outbox.claim", None]}
    is_date = {"$eq": [{"$type": "$placed_at"}, "date"]}
    return {
        "_id": None,
        "pending": {"$sum": 1},
        "due": {"$sum": {"$cond": [is_due, 1, 0]}},
        "claimed": {"$sum": {"$cond": [{"$and": [has_claim, {"$not": [is_due]}]}, 1, 0]}},
        "oldest": {"$min": {"$cond": [is_date, "$placed_at", None]}},
        "most_attempts": {"$max": {"$cond": [{"$isNumber": "$outbox.attempts"}, "$outbox.attempts", None]}},
    }
