"""The operator's session over orders and topics in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from retail_cli.reports import EventCopy
from retail_cli.store import Filter, first_id
from retail_cli.topics import KafkaUnavailable, Record, SearchResult
from shared.mongo import Document
from shared.ordering.offsets import Offsets, Reading
from shared.ordering.status import Status
from shared.ordering.transitions import State

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def order(order_id: str, status: str = "PLACED", *, age: float = 0.0, **more: Any) -> Document:
    """Return an order's document, placed `age` seconds before NOW."""
    placed = NOW - timedelta(seconds=age)
    return {
        "_id": order_id,
        "userid": "alice",
        "cost": 1250,
        "currency": "USD",
        "orderitems": [{"item": "apple", "quantity": 2, "price": 625}],
        "status": status,
        "version": 1,
        "placed_at": placed,
        "processed_at": None,
        "history": [{"status": status, "at": placed, "by": "order-api", "reason": None}],
        "rearmed": 0,
    } | more


def outbox_entry(attempts: int = 0, claim: str | None = None) -> Document:
    """Return an outbox entry that is due."""
    return {"due": NOW, "attempts": attempts, "claim": claim, "traceparent": None}


class FakeOrders:
    """Reads and changes orders, as `OrderReader` and `OrderTransitions` do together.

    A change of an order named in `refused` raises `refusal`, as the validator would.
    """

    def __init__(self, *documents: Document) -> None:
        self.documents = {document["_id"]: document for document in documents}
        self.refused: set[str] = set()
        self.refusal: Exception = AssertionError("no refusal was set")

    def now(self) -> datetime:
        return NOW

    def find(self, order_id: str) -> Document | None:
        return self.documents.get(order_id)

    def search(self, wanted: Filter, limit: int) -> list[Document]:
        found = [d for d in sorted(self.documents.values(), key=_id, reverse=True) if _matches(d, wanted)]
        return found[:limit]

    def scan(self, seconds: float) -> Iterator[Document]:
        assert seconds > 0
        yield from sorted(self.documents.values(), key=_id)

    def statuses(self, order_ids: Iterable[str]) -> dict[str, str]:
        return {one: self.documents[one]["status"] for one in order_ids if one in self.documents}

    def states(self, ids: Sequence[str]) -> dict[str, State]:
        found = {one: self.documents[one] for one in ids if one in self.documents}
        return {one: State(Status(d["status"]), d["history"][-1]["at"]) for one, d in found.items()}

    def failed(self, limit: int) -> list[Document]:
        return [d for d in sorted(self.documents.values(), key=_id, reverse=True) if d["status"] == "FAILED"][:limit]

    def failed_ids(self, limit: int) -> list[str]:
        return [document["_id"] for document in self.failed(limit)]

    def stuck(self, since: datetime, limit: int) -> list[Document]:
        placed = [d for d in sorted(self.documents.values(), key=_id) if d["status"] == "PLACED"]
        return [d for d in placed if "history" not in d or d["history"][-1]["at"] < since or d["rearmed"] >= 5][:limit]

    def outbox(self) -> Document:
        pending = [d for d in self.documents.values() if d["status"] == "PLACED" and "outbox" in d]
        return {
            "pending": len(pending),
            "due": sum(d["outbox"]["due"] <= NOW for d in pending),
            "claimed": 0,
            "oldest": min((d["placed_at"] for d in pending), default=None),
            "most_attempts": max((d["outbox"]["attempts"] for d in pending), default=None),
            "now": NOW,
            "awaiting_processing": sum(d["status"] == "PLACED" and "outbox" not in d for d in self.documents.values()),
        }

    def redrive(self, ids: Sequence[str], *, at: datetime, by: str, reason: str | None = None) -> int:
        changed = 0
        for document in (self.documents[one] for one in ids if self.documents[one]["status"] == "FAILED"):
            if document["_id"] in self.refused:
                raise self.refusal
            document |= {"status": "PLACED", "outbox": outbox_entry(), "version": document["version"] + 1}
            document["history"].append({"status": "PLACED", "at": at, "by": by, "reason": reason})
            changed += 1
        return changed

    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:
        return [d["_id"] for d in self.documents.values() if _is_published(d) and (d["rearmed"] >= 5) == stuck][:limit]

    def count_without_outbox_entry(self, order_ids: Sequence[str]) -> int:
        return sum(_is_published(self.documents[one]) for one in order_ids)

    def requeue(self, ids: Sequence[str]) -> int:
        lost = [self.documents[one] for one in ids if _is_published(self.documents[one])]
        for document in lost:
            if document["_id"] in self.refused:
                raise self.refusal
            document |= {"outbox": outbox_entry(), "rearmed": document["rearmed"] + 1}
        return len(lost)


def _is_published(document: Document) -> bool:
    return document["status"] == "PLACED" and "outbox" not in document


def _matches(document: Document, wanted: Filter) -> bool:
    return (
        wanted.userid in {None, document["userid"]}
        and wanted.status in {None, document["status"]}
        and (wanted.since is None or first_id(wanted.since) <= document["_id"])
        and (wanted.until is None or document["_id"] < first_id(wanted.until))
    )


def _id(document: Document) -> str:
    return str(document["_id"])


@dataclass
class FakeTopics:
    """The topics' content; `unavailable` makes every call fail as a dead Kafka does."""

    copies: dict[str, list[EventCopy]] = field(default_factory=dict)
    letters: list[Record] = field(default_factory=list)
    unavailable: str | None = None
    offsets: Reading = field(default_factory=lambda: {0: Offsets(beginning=0, end=5, committed=5)})

    def read(self) -> Reading:
        self._check()
        return self.offsets

    def events(self, order_id: str, since: datetime) -> SearchResult[EventCopy]:
        self._check()
        return SearchResult(self.copies.get(order_id, []), complete=since <= NOW)

    def dead_letters(self, limit: int, order_id: str | None = None) -> SearchResult[Record]:
        self._check()
        found = [r for r in self.letters if order_id is None or r.message.key == order_id.encode()]
        return SearchResult(found[:limit], complete=len(found) <= limit)

    def dead_letter(self, partition: int, offset: int) -> Record | None:
        self._check()
        return next((r for r in self.letters if (r.message.partition, r.message.offset) == (partition, offset)), None)

    def _check(self) -> None:
        if self.unavailable:
            raise KafkaUnavailable(self.unavailable)


@dataclass
class FakeSession:
    """Stands for `retail_cli.session.Session`."""

    orders: FakeOrders
    topics: FakeTopics = field(default_factory=FakeTopics)
    closed: bool = False

    @property
    def transitions(self) -> FakeOrders:
        return self.orders

    def close(self) -> None:
        self.closed = True
