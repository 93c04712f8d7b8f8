"""What the operator reads from MongoDB, at majority, each read bounded in time and size."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pymongo
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from shared.mongo import Document
from shared.ordering.outbox_entry import PENDING, PUBLISHED
from shared.ordering.schema import COLLECTION
from shared.ordering.status import Status
from shared.ordering.transitions import STUCK_AFTER

READ_SECONDS = 8.0


class OrderReader:
    """Reads the orders; shared.ordering.transitions changes them."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._orders = database[COLLECTION].with_options(read_concern=ReadConcern("majority"))

    def now(self) -> datetime:
        """Return the database's clock, by which everything here counts."""
        now: datetime = self._database.command("hello", codec_options=self._database.codec_options)["localTime"]
        return now

    def find(self, orderid: str) -> Document | None:
        """Return an order's document."""
        return self._orders.find_one({"_id": orderid})

    def statuses(self, orderids: Iterable[str]) -> dict[str, str]:
        """Return the status of each of these orders that exists."""
        found = self._orders.find({"_id": {"$in": list(orderids)}}, {"status": True})
        return {document["_id"]: document["status"] for document in found}

    def failed(self, limit: int) -> list[Document]:
        """Return FAILED orders, newest first."""
        return self._failed(limit)

    def failed_ids(self, limit: int) -> list[str]:
        """Return the ids of FAILED orders, newest first."""
        return [document["_id"] for document in self._failed(limit, {"_id": True})]

    def stuck(self, since: datetime, limit: int) -> list[Document]:
        """Return orders that last became PLACED before `since`, or whose event was lost often, oldest first."""
        unwell = {"$or": [{"history.at": {"$not": {"$gte": since}}}, {"rearmed": {"$gte": STUCK_AFTER}}]}
        with pymongo.timeout(READ_SECONDS):
            both = [self._oldest(kind | unwell, limit) for kind in (PUBLISHED, PENDING)]
        return sorted((order for orders in both for order in orders), key=lambda order: order["_id"])[:limit]

    def count_without_outbox_entry(self, orderids: Sequence[str]) -> int:
        """Count those of these orders that are PLACED without outbox entry."""
        return self._orders.count_documents({"_id": {"$in": list(orderids)}} | PUBLISHED)

    def outbox(self) -> Document:
        """Count the orders whose event is not known to be published: pending, due, claimed, oldest, most attempts."""
        now = self.now()
        with pymongo.timeout(READ_SECONDS):
            groups = self._orders.aggregate([{"$match": PENDING}, {"$group": _counts(now)}]).to_list()
            published = self._orders.count_documents(PUBLISHED)
        counts = groups[0] if groups else {"pending": 0, "due": 0, "claimed": 0, "oldest": None, "most_attempts": 0}
        return counts | {"now": now, "awaiting_processing": published}

    def _failed(self, limit: int, fields: dict[str, bool] | None = None) -> list[Document]:
        with pymongo.timeout(READ_SECONDS):
            return list(self._orders.find({"status": Status.FAILED}, fields).sort("_id", -1).limit(limit))

    def _oldest(self, query: dict[str, Any], limit: int) -> Sequence[Document]:
        return list(self._orders.find(query).sort("_id", 1).limit(limit))


def _counts(now: datetime) -> dict[str, Any]:
    is_due = {"$lte": ["$outbox.due", now]}
    has_claim = {"$gt": ["$outbox.claim", None]}
    return {
        "_id": None,
        "pending": {"$sum": 1},
        "due": {"$sum": {"$cond": [is_due, 1, 0]}},
        "claimed": {"$sum": {"$cond": [{"$and": [has_claim, {"$not": [is_due]}]}, 1, 0]}},
        "oldest": {"$min": "$placed_at"},
        "most_attempts": {"$max": "$outbox.attempts"},
    }
