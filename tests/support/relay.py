"""The outbox relay over fakes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from prometheus_client import CollectorRegistry

from fakes.orders import FakeOrders
from fakes.sink import FakeSink
from order_api import orders
from order_api.metrics import OrderMetrics
from order_api.orders import Document
from order_api.publisher import EventPublisher
from order_api.relay import OutboxRelay
from shared.ordering.money import Amount
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from support.clock import Clock


@dataclass
class RelayHarness:
    """A relay over fakes, run by hand in a time that stands until it is moved."""

    clock: Clock = field(default_factory=Clock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    sinks: list[FakeSink] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store: Any = FakeOrders(self.clock)
        self.breaker = Breaker("kafka", BreakerMetrics(self.registry), clock=self.clock.seconds)
        self.metrics = OrderMetrics(self.registry)
        self.relay = self.replica()
        self._ids = count()

    def replica(self) -> OutboxRelay:
        """Return the relay of one more process on the same store."""
        claims = count()
        name = len(self.sinks)
        common: dict[str, Any] = {"metrics": self.metrics, "clock": self.clock.seconds, "jitter": lambda: 0.0}
        publisher = EventPublisher(self._make_sink, breaker=self.breaker, **common)
        return OutboxRelay(self.store, publisher, new_claim=lambda: f"claim-{name}-{next(claims)}", **common)

    def _make_sink(self, on_error: Callable[[Any], None]) -> Any:
        self.sinks.append(FakeSink(on_error))
        return self.sinks[-1]

    @property
    def sink(self) -> FakeSink:
        return self.sinks[-1]

    def place(self, *, enqueued: bool = True) -> Document:
        """Store an order as the API does, and hand its event on."""
        order = orders.Order("alice", Amount(100), "USD", ())
        order_id = orders.new_id(self.clock.now, next(self._ids).to_bytes(10, "big"))
        record = orders.build_document(order, order_id=order_id, now=self.clock.now)
        self.store.insert(record)
        if enqueued:
            self.relay.enqueue(record)
        return record

    def entries(self) -> list[Document]:
        return [d["outbox"] for d in self.store.documents.values() if "outbox" in d]

    def published(self) -> list[str]:
        return [event.orderid for sink in self.sinks for event in sink.log]

    def step(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        self.relay.run_once()

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0
