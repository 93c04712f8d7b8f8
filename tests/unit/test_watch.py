"""The thread beside the loop, and its end."""

import threading

import pytest
from prometheus_client import CollectorRegistry

from order_processor.reconcile import Offsets, Reading, Reconciler
from order_processor.watch import Watch
from shared.events import TOPIC
from shared.metrics import ProcessorMetrics


class SlowLog:
    """Kafka that answers only when it is let."""

    def __init__(self) -> None:
        self.asked, self.answers = threading.Event(), threading.Event()

    def read(self) -> Reading:
        self.asked.set()
        self.answers.wait(30)
        return {}


class NoOrders:
    def unmarked(self, *, limit: int, stuck: bool) -> list[str]:  # noqa: ARG002 - as the store has it
        return []

    def rearm(self, _ids: object) -> int:
        return 0


def test_the_end_tells_whether_a_call_is_still_in_progress_and_its_client_in_use() -> None:
    log, metrics = SlowLog(), ProcessorMetrics(CollectorRegistry())
    watch = Watch(log, Reconciler(NoOrders(), log, metrics), metrics, held=tuple, activity=int, seconds=10)
    watch.start()
    log.asked.wait(10)
    watch.stop()
    during = watch.join(0.05)
    log.answers.set()
    after = watch.join(10)

    assert (during, after) == (False, True)


class LaggingLog:
    """Events wait in partition 0."""

    def read(self) -> Reading:
        return {0: Offsets(beginning=0, end=5, committed=None)}


@pytest.mark.parametrize(
    ("held", "activity", "pause", "stuck"),
    [
        ([(TOPIC, 0)], [0, 0, 0], 10, True),
        ([(TOPIC, 0)], [0, 0, 1], 10, False),  # it had events in hand
        ([(TOPIC, 1)], [0, 0, 0], 10, False),  # the events are another's
        ([(TOPIC, 0)], [0, 0, 0, 0], 1, False),  # it may not have begun yet
    ],
)
def test_a_consumer_that_brings_no_event_while_some_wait_is_stuck(
    held: list[tuple[str, int]], activity: list[int], pause: int, stuck: bool
) -> None:
    log, metrics = LaggingLog(), ProcessorMetrics(CollectorRegistry())
    rounds, now = iter(activity), [1000.0]
    watch = Watch(
        log,
        Reconciler(NoOrders(), log, metrics),
        metrics,
        held=lambda: held,
        activity=lambda: next(rounds),
        seconds=10,
        clock=lambda: now[0],
    )
    for _ in activity:
        now[0] += pause
        watch._lag()

    assert watch.is_stuck is stuck
