"""The outbox relay, on MongoDB and Kafka in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from prometheus_client import CollectorRegistry

from fakes.kafka_log import FakeTopic
from fakes.kafka_producer import FakeProducer
from fakes.mongo_client import FakeDatabase
from fakes.replica_set import Failure, ReplicaSet
from fakes.span_recorder import FakeRecorder
from order_api import orders
from order_api.backlog import Backlog, BacklogReader
from order_api.metrics import OrderMetrics
from order_api.orders import Document
from order_api.outbox import Outbox
from order_api.publisher import EventPublisher
from order_api.relay import OutboxRelay
from order_api.removal import EntryRemoval
from order_api.store import OrderStore
from shared import mongo
from shared.ordering import events
from shared.ordering.money import Amount
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from shared.telemetry.tracing import Tracer
from support.clock import Clock


@dataclass
class RelayHarness:
    """A relay that runs one round per `step`. The clock moves only when a test moves it."""

    clock: Clock = field(default_factory=Clock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    producers: list[FakeProducer] = field(default_factory=list)
    outboxes: list[Outbox] = field(default_factory=list)
    recorder: FakeRecorder = field(default_factory=FakeRecorder)

    def __post_init__(self) -> None:
        self.servers = ReplicaSet(self.clock)
        self.topic = FakeTopic(events.TOPIC, 1)
        self._breaker_metrics = BreakerMetrics(self.registry)
        self.breaker = Breaker("kafka", self._breaker_metrics, bursts_open=True, clock=self.clock.seconds)
        self.metrics = OrderMetrics(self.registry)
        self.store = OrderStore(self._database(), self._mongodb_breaker(), self._mongodb_breaker())
        self.store.prepare()
        self.transitions = OrderTransitions(self._database(), self._mongodb_breaker())
        self.relay = self.replica()
        self._ids = count()

    def replica(self) -> OutboxRelay:
        """Return the relay of one more process on the same database."""
        claims = count()
        name = len(self.producers)
        common: dict[str, Any] = {"clock": self.clock.seconds, "jitter": lambda: 0.0}
        publisher = EventPublisher(
            self._make_producer, breaker=self.breaker, tracer=Tracer(self.recorder), metrics=self.metrics, **common
        )
        self.outboxes.append(Outbox(self._database(), self._mongodb_breaker(), choose=lambda _: 0))
        removal = EntryRemoval(self.outboxes[-1], clock=self.clock.seconds, now=lambda: self.clock.now)
        return OutboxRelay(
            self.outboxes[-1], publisher, removal, new_claim=lambda: f"claim-{name}-{next(claims)}", **common
        )

    @property
    def producer(self) -> FakeProducer:
        """The producer that was created last."""
        return self.producers[-1]

    def place(self, *, enqueued: bool = True, traceparent: str | None = None) -> Document:
        """Store an order as the API does, and enqueue its event unless `enqueued` is false."""
        order = orders.Order("alice", Amount(100), "USD", ())
        order_id = orders.new_id(self.clock.now, next(self._ids).to_bytes(10, "big"))
        record = orders.build_document(order, order_id=order_id, now=self.clock.now, traceparent=traceparent)
        self.store.insert(record)
        if enqueued:
            self.relay.enqueue(record)
        return record

    def change(self, order_id: str, fields: Document) -> None:
        """Set fields of an order, with majority write concern."""
        self.servers.update({"_id": order_id}, {"$set": fields}, many=False)
        self.servers.replicate()

    def stop_mongodb(self) -> None:
        """Let every operation find no primary, until `start_mongodb`."""
        self.servers.before_operation = lambda _: Failure.NO_PRIMARY

    def start_mongodb(self) -> None:
        self.servers.before_operation = lambda _: None

    def entries(self) -> list[Document]:
        """Return the outbox entries, oldest order first."""
        return [d["outbox"] for d in self.servers.primary.values() if "outbox" in d]

    def published(self) -> list[str]:
        """Return the order ids of all events, in the order of the topic."""
        found = (events.decode(e.key(), e.value(), e.headers()) for e in self.topic.partitions[0])
        return [event.orderid for event in found]

    def traceparents(self) -> list[list[bytes | None]]:
        """Return the `traceparent` headers of each event, in the order of the topic."""
        headers = [event.headers() or [] for event in self.topic.partitions[0]]
        return [[value for name, value in pairs if name == "traceparent"] for pairs in headers]

    def step(self, seconds: float = 0.0) -> None:
        """Move the clock, let all earlier writes reach a majority, and run one round."""
        self.clock.advance(seconds)
        self.servers.replicate()
        self.relay.run_once()

    def count(self, name: str, **labels: str) -> float:
        """Return the value of a metric's sample, or 0."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def backlog(self) -> Backlog:
        """Read the backlog from MongoDB, as it is read for the metrics."""
        return BacklogReader(self._database(), self._mongodb_breaker()).read()

    def _database(self) -> Any:
        return FakeDatabase(self.servers)

    def _mongodb_breaker(self) -> Breaker:
        return Breaker("mongodb", self._breaker_metrics, is_failure=mongo.is_failure, clock=self.clock.seconds)

    def _make_producer(self, _: Callable[[Any], None]) -> Any:
        self.producers.append(FakeProducer({events.TOPIC: self.topic}, delivers_on_poll=True))
        return self.producers[-1]
