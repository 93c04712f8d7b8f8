"""Reconciliation requeues a PLACED order without outbox entry once the consumer group has read all earlier events."""

from dataclasses import replace

import pytest
from pymongo.errors import PyMongoError

from fakes.replica_set import Failure
from order_processor.monitor import show_lag
from shared.ordering.events import TOPIC
from shared.ordering.offsets import Offsets, Reading
from shared.ordering.reconcile import Outcome, Reconciler
from support.handler import TAKEN_AT, HandlerHarness, document


class FakeOffsets:
    """The topic's offsets, set by the test."""

    def __init__(self, **partitions: Offsets) -> None:
        self.reading: Reading = {int(name[1:]): offsets for name, offsets in partitions.items()}

    def read(self) -> Reading:
        return dict(self.reading)

    def set(self, partition: int, **changes: int | None) -> None:
        self.reading[partition] = replace(self.reading[partition], **changes)  # type: ignore[arg-type]


class ReconcilerHarness:
    def __init__(self, handler: HandlerHarness, offsets: FakeOffsets) -> None:
        self.seconds = 0.0
        self.handler = handler
        self.reconciler = Reconciler(
            handler.orders,
            offsets,
            on_requeued=handler.metrics.requeued.inc,
            on_stuck=handler.metrics.stuck.set,
            clock=lambda: self.seconds,
        )

    def has_outbox_entry(self, order_id: str) -> bool:
        return "outbox" in self.handler.servers.view[order_id]


def test_lost_order_is_requeued_after_all_partitions_are_read() -> None:
    offsets = FakeOffsets(p0=Offsets(0, 10, 9), p1=Offsets(0, 4, 4))
    harness = ReconcilerHarness(
        HandlerHarness(document("lost"), document("pending", marked=True), document("done", status="PROCESSED")),
        offsets,
    )

    assert harness.reconciler.step() is Outcome.WAITING
    assert not harness.has_outbox_entry("lost")
    offsets.set(0, committed=10)
    assert harness.reconciler.step() is Outcome.REQUEUED

    order = harness.handler.servers.view["lost"]
    assert order["outbox"] == {"due": TAKEN_AT, "attempts": 0, "claim": None, "traceparent": None}
    assert (order["rearmed"], harness.reconciler.requeued) == (1, 1)
    assert harness.handler.servers.view["pending"]["rearmed"] == 0
    assert harness.handler.count("retail_outbox_requeued_total") == 1
    assert harness.reconciler.step() is Outcome.IDLE


def test_newer_events_do_not_delay_a_pass() -> None:
    offsets = FakeOffsets(p0=Offsets(0, 10, 3))
    harness = ReconcilerHarness(HandlerHarness(document("lost")), offsets)
    harness.reconciler.step()

    offsets.set(0, end=1_000_000, committed=10)

    assert harness.reconciler.step() is Outcome.REQUEUED


def test_order_processed_during_a_pass_is_not_requeued() -> None:
    offsets = FakeOffsets(p0=Offsets(0, 10, 3))
    harness = ReconcilerHarness(HandlerHarness(document("1")), offsets)
    harness.reconciler.step()
    harness.handler.orders.process(["1"], at=TAKEN_AT)
    offsets.set(0, committed=10)

    assert harness.reconciler.step() is Outcome.REQUEUED

    assert harness.reconciler.requeued == 0
    assert harness.handler.status("1") == "PROCESSED"


@pytest.mark.parametrize(
    ("offsets", "passed"),
    [
        (Offsets(0, 10, 10), True),
        (Offsets(0, 10, 9), False),
        (Offsets(0, 10, None), False),
        (Offsets(0, 0, None), True),  # the partition was never used
        (Offsets(10, 10, None), True),  # all its events have expired
        (Offsets(10, 10, 4), True),
        (Offsets(0, 10, 11), False),  # the committed offset is left over from a deleted topic
        (Offsets(0, 0, 11), True),
    ],
)
def test_partition_counts_as_read_if_empty_or_committed_to_end(offsets: Offsets, *, passed: bool) -> None:
    harness = ReconcilerHarness(HandlerHarness(document("1")), FakeOffsets(p0=offsets))

    assert (harness.reconciler.step() is Outcome.REQUEUED) is passed


def test_shorter_topic_restarts_the_pass() -> None:
    offsets = FakeOffsets(p0=Offsets(0, 10, 3))
    harness = ReconcilerHarness(HandlerHarness(document("1")), offsets)
    harness.reconciler.step()

    offsets.reading = {0: Offsets(0, 2, 10)}  # the topic was recreated; the committed offset is stale
    assert harness.reconciler.step() is Outcome.RESTARTED
    assert harness.reconciler.step() is Outcome.WAITING  # the stale offset 10 is beyond the end and counts as 0
    offsets.set(0, committed=2)

    assert harness.reconciler.step() is Outcome.REQUEUED


def test_missing_partition_restarts_the_pass() -> None:
    offsets = FakeOffsets(p0=Offsets(0, 1, 0), p1=Offsets(0, 1, 1))
    harness = ReconcilerHarness(HandlerHarness(document("1")), offsets)
    harness.reconciler.step()

    del offsets.reading[1]

    assert harness.reconciler.step() is Outcome.RESTARTED


def test_stuck_order_is_requeued_only_every_ten_minutes() -> None:
    offsets = FakeOffsets(p0=Offsets(0, 0, None))
    harness = ReconcilerHarness(HandlerHarness(document("1", rearmed=5)), offsets)

    def lose_again() -> None:
        order = harness.handler.servers.primary["1"]
        harness.handler.servers.primary["1"] = harness.handler.servers.view["1"] = {
            name: value for name, value in order.items() if name != "outbox"
        }

    assert harness.reconciler.step() is Outcome.REQUEUED  # a new process requeues stuck orders in its first step
    lose_again()
    harness.seconds = 590.0
    assert harness.reconciler.step() is Outcome.IDLE
    assert harness.handler.count("retail_orders_stuck") == 1
    harness.seconds = 601.0
    assert harness.reconciler.step() is Outcome.REQUEUED

    assert harness.handler.servers.view["1"]["rearmed"] == 7
    assert harness.handler.status("1") == "PLACED"


def test_order_with_rejected_update_does_not_stop_the_others() -> None:
    harness = ReconcilerHarness(
        HandlerHarness(*(document(str(n)) for n in range(3))), FakeOffsets(p0=Offsets(0, 0, None))
    )
    harness.handler.servers.rejected_ids = {"1"}

    assert harness.reconciler.step() is Outcome.REQUEUED

    assert [harness.has_outbox_entry(str(n)) for n in range(3)] == [True, False, True]
    assert harness.reconciler.rejected == 1
    assert harness.reconciler.step() is Outcome.REQUEUED
    assert (harness.reconciler.requeued, harness.reconciler.rejected) == (0, 1)  # counts of the second pass only


def test_reconcile_pass_continues_after_outage() -> None:
    harness = ReconcilerHarness(HandlerHarness(document("1")), FakeOffsets(p0=Offsets(0, 0, None)))
    harness.handler.servers.before_operation = lambda operation: Failure.NO_PRIMARY if operation == "update" else None
    with pytest.raises(PyMongoError):
        harness.reconciler.step()
    harness.handler.servers.before_operation = lambda operation: (
        pytest.fail("read again") if operation == "find" else None
    )

    assert harness.reconciler.step() is Outcome.REQUEUED


def test_two_reconcilers_requeue_an_order_once() -> None:
    offsets = FakeOffsets(p0=Offsets(0, 10, 3))
    harness = HandlerHarness(document("1"))
    one, other = ReconcilerHarness(harness, offsets), ReconcilerHarness(harness, offsets)
    one.reconciler.step()
    other.reconciler.step()
    offsets.set(0, committed=10)

    one.reconciler.step()
    other.reconciler.step()

    assert (one.reconciler.requeued, other.reconciler.requeued) == (1, 0)
    assert harness.servers.view["1"]["rearmed"] == 1


def test_lag_is_shown_only_for_assigned_partitions() -> None:
    harness = HandlerHarness()
    reading = {0: Offsets(0, 10, 4), 1: Offsets(0, 7, None), 2: Offsets(0, 9, 9)}
    show_lag(reading, {(TOPIC, 0), (TOPIC, 1)}, harness.metrics)
    show_lag(reading, {(TOPIC, 1), (TOPIC, 2)}, harness.metrics)

    lags = [
        harness.registry.get_sample_value("retail_kafka_consumer_lag", {"topic": TOPIC, "partition": str(n)})
        for n in range(3)
    ]

    assert lags == [None, 7.0, 0.0]
