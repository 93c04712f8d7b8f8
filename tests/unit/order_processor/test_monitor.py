"""The monitor's metrics, and how its thread stops."""

import threading
from typing import Any

from prometheus_client import CollectorRegistry

from order_processor.metrics import ProcessorMetrics
from order_processor.monitor import Monitor
from order_processor.stuck_detector import StuckDetector
from shared.kafka import KafkaError, KafkaException
from shared.kafka_message import Partition
from shared.ordering.events import TOPIC
from shared.ordering.offsets import Offsets, Reading
from shared.ordering.reconcile import Reconciler
from shared.store import StoreUnavailable


class SlowOffsets:
    """An offsets reader that returns only when the test allows it."""

    def __init__(self) -> None:
        self.requested, self.may_reply = threading.Event(), threading.Event()

    def read(self) -> Reading:
        self.requested.set()
        self.may_reply.wait(30)
        return {}


class AnsweringOffsets:
    """An offsets reader that returns the given offsets for the partitions 0, 1, ..., or raises `error` if it is set."""

    def __init__(self, *offsets: Offsets) -> None:
        self.offsets = offsets
        self.error: Exception | None = None

    def read(self) -> Reading:
        if self.error:
            raise self.error
        return dict(enumerate(self.offsets))


class Orders:
    def __init__(self, *stuck: str) -> None:
        self.stuck = [*stuck]
        self.error: Exception | None = None

    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:  # noqa: ARG002
        if self.error:
            raise self.error
        return self.stuck if stuck else []

    def requeue(self, _ids: object) -> int:
        return 0


class IdleConsumer:
    assigned = frozenset[Partition]()
    is_busy = False


def test_close_returns_whether_the_thread_has_stopped() -> None:
    offsets, metrics, consumer = SlowOffsets(), ProcessorMetrics(CollectorRegistry()), IdleConsumer()
    anything: Any = consumer
    monitor = Monitor(
        offsets,
        Reconciler(Orders(), offsets),
        metrics,
        StuckDetector(),
        consumer=anything,
        dead_letters=offsets,
        seconds=10,
    )
    monitor.start()
    offsets.requested.wait(10)
    during = monitor.close(0.05)
    offsets.may_reply.set()
    after = monitor.close(10)

    assert (during, after) == (False, True)


def test_metrics_are_absent_when_kafka_does_not_respond() -> None:
    registry, consumer = CollectorRegistry(), IdleConsumer()
    anything: Any = consumer
    consumer.assigned = frozenset({(TOPIC, 0)})
    offsets, letters = AnsweringOffsets(Offsets(0, 10, 4)), AnsweringOffsets(Offsets(0, 5, 2), Offsets(1, 3, None))
    monitor = Monitor(
        offsets,
        Reconciler(Orders(), offsets),
        ProcessorMetrics(registry),
        StuckDetector(),
        consumer=anything,
        dead_letters=letters,
        seconds=10,
    )

    def shown() -> list[float | None]:
        labels = {"topic": TOPIC, "partition": "0"}
        lag = registry.get_sample_value("retail_kafka_consumer_lag", labels)
        return [lag, registry.get_sample_value("retail_dead_letters_waiting")]

    assert monitor._observe()
    readable = shown()
    letters.error = ConnectionError()
    assert monitor._observe()
    letters_unreadable = shown()
    offsets.error = ConnectionError()
    assert not monitor._observe()

    assert (readable, letters_unreadable, shown()) == ([6, 5], [6, None], [None, None])


def test_stuck_orders_are_shown_while_only_kafka_is_unavailable() -> None:
    registry, consumer = CollectorRegistry(), IdleConsumer()
    anything: Any = consumer
    offsets, orders, metrics = AnsweringOffsets(Offsets(0, 10, 4)), Orders("o1", "o2"), ProcessorMetrics(registry)
    monitor = Monitor(
        offsets,
        Reconciler(orders, offsets, on_stuck=metrics.stuck.set),
        metrics,
        StuckDetector(),
        consumer=anything,
        dead_letters=offsets,
        seconds=10,
    )

    def shown() -> float | None:
        return registry.get_sample_value("retail_orders_stuck")

    offsets.error = KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert not monitor._reconcile()
    without_kafka = shown()
    orders.error = StoreUnavailable()
    assert not monitor._reconcile()

    assert (without_kafka, shown()) == (2, None)
