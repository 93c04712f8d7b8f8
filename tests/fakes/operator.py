"""The session of the operator's command, on MongoDB and topics in memory."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from fakes.auth import FakeKeyRecords
from fakes.mongo_client import FakeDatabase
from fakes.replica_set import ReplicaSet
from retail_cli.reports import EventCopy
from retail_cli.store import OrderReader
from retail_cli.topics import KafkaUnavailable, Record, SearchResult
from shared import mongo
from shared.kafka_message import Message
from shared.mongo import Document
from shared.ordering.offsets import Offsets, Reading
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics

REASON = "no such item"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def order(order_id: str, status: str = "PLACED", *, age: float = 0.0, **more: Any) -> Document:
    """Return the document of an order that was placed `age` seconds before NOW."""
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
    """Return an outbox entry that is due at NOW."""
    return {"due": NOW, "attempts": attempts, "claim": claim, "traceparent": None}


@dataclass
class FakeTopics:
    """The content of the topics; while `unavailable` is set, every call fails as if Kafka were down."""

    copies: dict[str, list[EventCopy]] = field(default_factory=dict)
    letters: list[Record] = field(default_factory=list)
    unavailable: str | None = None
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
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

    def acknowledge(self, partition: int, offset: int) -> bool:
        self._check()
        is_new = all(known < offset for found, known in self.acknowledged if found == partition)
        if is_new:
            self.acknowledged.append((partition, offset))
        return is_new

    def _check(self) -> None:
        if self.unavailable:
            raise KafkaUnavailable(self.unavailable)


class FakeSession:
    """Replaces `retail_cli.session.Session`: MongoDB in memory, which contains `orders`, and fake topics."""

    def __init__(self, *orders: Document, topics: FakeTopics | None = None) -> None:
        self.servers = ReplicaSet(lambda: NOW)
        for document in orders:
            self.servers.insert(document)
        self.servers.replicate()
        database: Any = FakeDatabase(self.servers)
        metrics = BreakerMetrics(CollectorRegistry())
        self.orders = OrderReader(database)
        self.transitions = OrderTransitions(database, Breaker("mongodb", metrics, is_failure=mongo.is_failure))
        self.topics = topics or FakeTopics()
        self.key_records = FakeKeyRecords()
        self.settings = None
        self.closed = False

    def order(self, order_id: str) -> Document:
        """Return an order as the primary has it."""
        return self.servers.primary[order_id]

    def close(self) -> None:
        self.closed = True


def letter(offset: int, key: bytes | None, value: bytes | None = b"{}", **own: str) -> Record:
    details = {
        "topic": "orders.placed",
        "partition": "4",
        "offset": "9",
        "error_class": "BrokenEvent",
        "error_message": "the value is not an order",
        "attempts": "1",
        "first_failure": "2026-01-02T03:04:05+00:00",
        "last_failure": "2026-01-02T03:04:06+00:00",
    } | own
    headers: list[tuple[str, bytes | None]] = [(f"dead_letter_{k}", v.encode()) for k, v in details.items()]
    return Record(Message("orders.placed.dlq", 0, offset, key, value, [("ce_type", b"\xff"), *headers]), NOW)


def failed(order_id: str) -> dict[str, Any]:
    history = [
        {"status": "PLACED", "at": NOW, "by": "order-api", "reason": None},
        {"status": "FAILED", "at": NOW + timedelta(seconds=1), "by": "order-processor", "reason": REASON},
    ]
    return order(order_id, "FAILED", history=history)
