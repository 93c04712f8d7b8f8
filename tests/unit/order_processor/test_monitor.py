"""The thread beside the loop, and its end."""

import threading

from prometheus_client import CollectorRegistry

from order_processor.metrics import ProcessorMetrics
from order_processor.monitor import Watch
from order_processor.stuck_detector import Progress
from shared.kafka_message import Partition
from shared.ordering.offsets import Reading
from shared.ordering.reconcile import Reconciler


class SlowLog:
    """Kafka that answers only when it is let."""

    def __init__(self) -> None:
        self.asked, self.answers = threading.Event(), threading.Event()

    def read(self) -> Reading:
        self.asked.set()
        self.answers.wait(30)
        return {}


class NoOrders:
    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:  # noqa: ARG002 - as the store has it
        return []

    def requeue(self, _ids: object) -> int:
        return 0


class NoPartitions:
    held = frozenset[Partition]()
    is_busy = False


def test_the_end_tells_whether_a_call_is_still_in_progress_and_its_client_in_use() -> None:
    log, metrics = SlowLog(), ProcessorMetrics(CollectorRegistry())
    watch = Watch(log, Reconciler(NoOrders(), log), metrics, Progress(), consumer=NoPartitions(), seconds=10)
    watch.start()
    log.asked.wait(10)
    watch.stop()
    during = watch.join(0.05)
    log.answers.set()
    after = watch.join(10)

    assert (during, after) == (False, True)
