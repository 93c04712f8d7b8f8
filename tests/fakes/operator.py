"""The operator's session over orders and topics in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from retail_cli.reports import Copy
from retail_cli.topics import Found, KafkaAway, Record
from shared.mongo import Document
from shared.ordering.offsets import Offsets, Reading
from shared.ordering.status import Status
from shared.ordering.transitions import State

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def order(orderid: str, status: str = "PLACED", *, age: float = 0.0, **more: Any) -> Document:
    """Return an order's document, placed `age` seconds before NOW."""
    placed = NOW - timedelta(seconds=age)
    return {
        "_id": orderid,
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


def marker(attempts: int = 0, claim: str | None = None) -> Document:
    """Return an outbox marker that is due."""
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

    def find(self, orderid: str) -> Document | None:
        return self.documents.get(orderid)

    def statuses(self, orderids: Iterable[str]) -> dict[str, str]:
        return {one: self.documents[one]["status"] for one in orderids if one in self.documents}

    def states(self, ids: Sequence[str]) -> dict[str, State]:
        found = {one: self.documents[one] for one in ids if one in self.documents}
        return {one: State(Status(d["status"]), d["history"][-1]["at"]) for one, d in found.items()}

    def failed(self, limit: int) -> list[Document]:
        return [d for d in sorted(self.documents.values(), key=_id, reverse=True) if d["status"] == "FAILED"][:limit]

    def failed_ids(self, limit: int) -> list[str]:
        return [document["_id"] for document in self.failed(limit)]

    def stuck(self, since: datetime, limit: int) -> list[Document]:
        placed = [d for d in sorted(self.documents.values(), key=_id) if d["status"] == "PLACED"]
        return [d for d in placed if d["history"][-1]["at"] < since or d["rearmed"] >= 5][:limit]

    def outbox(self) -> Document:
        marked = [d for d in self.documents.values() if d["status"] == "PLACED" and "outbox" in d]
        return {
            "pending": len(marked),
            "due": sum(d["outbox"]["due"] <= NOW for d in marked),
            "claimed": 0,
            "oldest": min((d["placed_at"] for d in marked), default=None),
            "most_attempts": max((d["outbox"]["attempts"] for d in marked), default=None),
            "now": NOW,
            "awaiting_processing": sum(d["status"] == "PLACED" and "outbox" not in d for d in self.documents.values()),
        }

    def redrive(self, ids: Sequence[str], *, at: datetime, by: str, reason: str | None = None) -> int:
        moved = 0
        for document in (self.documents[one] for one in ids if self.documents[one]["status"] == "FAILED"):
            if document["_id"] in self.refused:
                raise self.refusal
            document |= {"status": "PLACED", "outbox": marker(), "version": document["version"] + 1}
            document["history"].append({"status": "PLACED", "at": at, "by": by, "reason": reason})
            moved += 1
        return moved

    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:
        return [d["_id"] for d in self.documents.values() if _is_unmarked(d) and (d["rearmed"] >= 5) == stuck][:limit]

    def count_without_outbox_entry(self, orderids: Sequence[str]) -> int:
        return sum(_is_unmarked(self.documents[one]) for one in orderids)

    def requeue(self, ids: Sequence[str]) -> int:
        lost = [self.documents[one] for one in ids if _is_unmarked(self.documents[one])]
        for document in lost:
            if document["_id"] in self.refused:
                raise self.refusal
            document |= {"outbox": marker(), "rearmed": document["rearmed"] + 1}
        return len(lost)


def _is_unmarked(document: Document) -> bool:
    return document["status"] == "PLACED" and "outbox" not in document


def _id(document: Document) -> str:
    return str(document["_id"])


@dataclass
class FakeTopics:
    """The topics' content; `away` makes every call fail as a dead Kafka does."""

    copies: dict[str, list[Copy]] = field(default_factory=dict)
    letters: list[Record] = field(default_factory=list)
    away: str | None = None
    offsets: Reading = field(default_factory=lambda: {0: Offsets(beginning=0, end=5, committed=5)})

    def read(self) -> Reading:
        self._reach()
        return self.offsets

    def events(self, orderid: str, since: datetime) -> Found[Copy]:
        self._reach()
        return Found(self.copies.get(orderid, []), complete=since <= NOW)

    def dead_letters(self, limit: int, orderid: str | None = None) -> Found[Record]:
        self._reach()
        found = [r for r in self.letters if orderid is None or r.message.key == orderid.encode()]
        return Found(found[:limit], complete=len(found) <= limit)

    def dead_letter(self, partition: int, offset: int) -> Record | None:
        self._reach()
        return next((r for r in self.letters if (r.message.partition, r.message.offset) == (partition, offset)), None)

    def _reach(self) -> None:
        if self.away:
            raise KafkaAway(self.away)


@dataclass
class FakeSession:
    """Stands for `retail_cli.session.Session`."""

    orders: FakeOrders
    topics: FakeTopics = field(default_factory=FakeTopics)
    closed: bool = False

    @property
    def moves(self) -> FakeOrders:
        return self.orders

    def close(self) -> None:
        self.closed = True
