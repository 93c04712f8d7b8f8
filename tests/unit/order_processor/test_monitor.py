"""The monitor's thread, and how it stops."""

import threading
from typing import Any

from prometheus_client import CollectorRegistry

from order_processor.metrics import ProcessorMetrics
from order_processor.monitor import Monitor
from order_processor.stuck_detector import StuckDetector
from shared.kafka_message import Partition
from shared.ordering.offsets import Reading
from shared.ordering.reconcile import Reconciler


class SlowOffsets:
    """Kafka that replies only when it is allowed to."""

    def __init__(self) -> None:
        self.requested, self.may_reply = threading.Event(), threading.Event()

    def read(self) -> Reading:
        self.requested.set()
        self.may_reply.wait(30)
        return {}


class NoOrders:
    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:  # noqa: ARG002
        return []

    def requeue(self, _ids: object) -> int:
        return 0


class IdleConsumer:
    assigned = frozenset[Partition]()
    is_busy = False


def test_close_returns_whether_the_thread_has_stopped() -> None:
    offsets, metrics, consumer = SlowOffsets(), ProcessorMetrics(CollectorRegistry()), IdleConsumer()
    anything: Any = consumer
    monitor = Monitor(offsets, Reconciler(NoOrders(), offsets), metrics, StuckDetector(), consumer=anything, seconds=10)
    monitor.start()
    offsets.requested.wait(10)
    during = monitor.close(0.05)
    offsets.may_reply.set()
    after = monitor.close(10)

    assert (during, after) == (False, True)
