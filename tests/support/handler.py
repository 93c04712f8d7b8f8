"""The handler of order-processor over MongoDB in memory, and builders of its events and orders."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from fakes.mongo_client import FakeDatabase
from fakes.replica_set import ReplicaSet
from fakes.span_recorder import FakeRecorder
from order_processor.batch import Batch
from order_processor.batch_report import reported
from order_processor.handler import Handler
from order_processor.metrics import ProcessorMetrics
from shared import mongo
from shared.kafka import KafkaError
from shared.kafka_message import Message
from shared.mongo import Document
from shared.ordering import events
from shared.ordering.dead_letter import DeadLetter
from shared.ordering.events import TOPIC, Item, OrderPlaced
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.resilience.outage import Bisect, bisect
from shared.telemetry.metrics import BreakerMetrics
from shared.telemetry.tracing import Tracer

PLACED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TAKEN_AT = PLACED_AT + timedelta(seconds=2)


def event(order_id: str, *items: str) -> OrderPlaced:
    """Return the event of an order."""
    return OrderPlaced(order_id, "alice", "12.50", "USD", [Item(item) for item in items or ("apple",)], PLACED_AT)


def message(
    order_id: str, *items: str, offset: int = 0, partition: int = 0, traceparent: str | None = None, **changes: Any
) -> Message:
    """Return the message of an order's event; `changes` replaces its key, value or headers."""
    key, value, headers = events.encode(event(order_id, *items), traceparent)
    taken: dict[str, Any] = {"key": key, "value": value, "headers": headers} | changes
    return Message(TOPIC, partition, offset, **taken)


def document(order_id: str, *, marked: bool = False, **changes: Any) -> Document:
    """Return an order as order-api stores it; `marked` adds an outbox entry."""
    outbox = {"outbox": {"due": PLACED_AT, "attempts": 0, "claim": None, "traceparent": None}} if marked else {}
    placed = {"status": "PLACED", "at": PLACED_AT, "by": "order-api", "reason": None}
    return {
        "_id": order_id,
        "userid": "alice",
        "cost": 1250,
        "currency": "USD",
        "orderitems": [{"item": "apple", "quantity": 1}],
        "status": "PLACED",
        "version": 1,
        "placed_at": PLACED_AT,
        "processed_at": None,
        "history": [placed],
        "rearmed": 0,
        **outbox,
    } | changes


class FakeDeadLetters:
    """Collects dead letters. While `error` is set it rejects all of them."""

    def __init__(self) -> None:
        self.sent: list[DeadLetter] = []
        self.error: KafkaError | None = None

    def send(self, letters: Sequence[DeadLetter]) -> dict[int, KafkaError]:
        if self.error:
            return dict.fromkeys(range(len(letters)), self.error)
        self.sent += letters
        return {}


class HandlerHarness:
    """A handler over a replica set in memory."""

    def __init__(self, *orders: Document, decide: Callable[..., Any] | None = None, bisect: Bisect = bisect) -> None:
        self.servers = ReplicaSet(lambda: TAKEN_AT)
        for order in orders:
            self.servers.insert(order)
        self.servers.replicate()
        self.dead_letters = FakeDeadLetters()
        self.registry = CollectorRegistry()
        self.metrics = ProcessorMetrics(self.registry)
        breaker = Breaker("mongodb", BreakerMetrics(self.registry), is_failure=mongo.is_failure)
        database: Any = FakeDatabase(self.servers)
        self.orders = OrderTransitions(database, breaker)
        own: dict[str, Any] = {"bisect": bisect} | ({"decide": decide} if decide else {})
        self.recorder = FakeRecorder()
        self.handler = Handler(
            self.orders, self.dead_letters.send, self.metrics, refused_items={"poison"}, now=lambda: TAKEN_AT, **own
        )

    def handle(self, *messages: Message, times: int = 1) -> Batch:
        """Handle these messages as one batch, `times` times; return the batch."""
        batch = Batch()
        batch.add(messages)
        for _ in range(times):
            reported(self.handler.handle, Tracer(self.recorder))(batch)
        return batch

    def status(self, order_id: str) -> str:
        status: str = self.servers.view[order_id]["status"]
        return status

    def count(self, name: str, **labels: str) -> float:
        """Return the value of a metric's sample, or 0."""
        return self.registry.get_sample_value(name, labels) or 0.0
