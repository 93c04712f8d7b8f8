"""The outbox relay: the fast path, the outbox entries, and the relay's thread."""

import queue
from datetime import datetime

import pytest

from order_api import relay
from order_api.orders import Document
from order_api.outbox import BATCH
from order_api.relay import SWEEP_SECONDS, WAIT_SECONDS
from support.forked_child import in_forked_child
from support.relay import RelayHarness
from support.wait import until


def test_sweep_publishes_what_a_full_queue_drops(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "QUEUE_LIMIT", 1)
    small = harness.replica()
    placed = [harness.place(enqueued=False) for _ in range(2)]
    for record in placed:
        small.enqueue(record)
    small.run_once()
    at_once = harness.published()
    for _ in range(3):
        harness.clock.advance(3)
        small.run_once()

    assert at_once == [placed[0]["_id"]]
    assert harness.published() == [record["_id"] for record in placed]


def test_failed_fast_path_leaves_the_outbox_entry_unchanged(harness: RelayHarness) -> None:
    record = harness.place()
    harness.producer.delivers_on_poll = False
    harness.step()
    harness.producer.time_out()
    harness.step()

    assert harness.entries() == [record["outbox"]]


def test_relay_survives_database_outage(harness: RelayHarness) -> None:
    harness.stop_mongodb()
    harness.step(10)
    harness.start_mongodb()
    harness.place(enqueued=False)
    for _ in range(3):
        harness.step(3)

    assert len(harness.published()) == 1


def test_empty_queue_delays_no_sweep(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    class EmptyQueue(queue.Queue[Document]):
        def get(self, block: bool = True, timeout: float | None = None) -> Document:
            waits.append(timeout if block else 0)
            raise queue.Empty

    monkeypatch.setattr(harness.relay, "_queue", EmptyQueue())
    for _ in range(BATCH + 1):
        harness.place(enqueued=False)
    harness.clock.advance(6)
    for seconds in (0, 0, 0, 0.97):  # a full batch is due, then the rest, then nothing for a second
        harness.clock.advance(seconds)
        harness.relay.run_once(WAIT_SECONDS)

    assert len(harness.published()) == BATCH + 1
    assert waits == [0, 0, WAIT_SECONDS, pytest.approx(0.03)]


def test_sweeps_wait_while_many_events_are_in_flight(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "BATCH", 10)
    monkeypatch.setattr(relay, "IN_FLIGHT_LIMIT", 20)
    placed = [harness.place(enqueued=False)["_id"] for _ in range(35)]
    harness.producer.delivers_on_poll = False
    harness.clock.advance(6)
    in_flight = []
    for _ in range(4):
        harness.step(WAIT_SECONDS)
        in_flight.append(len(harness.producer.pending))
    harness.producer.delivers_on_poll = True
    for _ in range(4):
        harness.step(WAIT_SECONDS)

    assert in_flight == [10, 20, 20, 20]
    assert harness.published() == placed


def test_events_of_the_fast_path_in_flight_delay_no_sweep(
    harness: RelayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SMALL_BATCH", 10)
    monkeypatch.setattr(relay, "IN_FLIGHT_LIMIT", 10)
    swept = harness.place(enqueued=False)["_id"]
    harness.producer.delivers_on_poll = False
    harness.clock.advance(6)
    for _ in range(3):
        harness.place()
    harness.step()

    assert len(harness.producer.pending) == 4
    assert "claim" in harness.servers.primary[swept]["outbox"]


def let_sweeps_take(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let each sweep take so long."""
    outbox = harness.outboxes[0]
    sweep = outbox.sweep

    def sweep_slowly(*, claim: str, limit: int) -> list[Document]:
        harness.clock.advance(seconds)
        return sweep(claim=claim, limit=limit)

    monkeypatch.setattr(outbox, "sweep", sweep_slowly)


def test_sweeps_are_small_and_pause_while_orders_arrive(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "SMALL_BATCH", 2)
    let_sweeps_take(harness, monkeypatch, 0.1)
    waiting = [harness.place(enqueued=False)["_id"] for _ in range(9)]
    harness.clock.advance(6)
    arrived = harness.place()["_id"]
    published = []
    for seconds in (0, 0.35, 0.1, 0.45, 0.1):
        harness.step(seconds)
        published.append(len(harness.published()))

    assert harness.published() == [arrived, *waiting]
    # sweeps at 0, 0.55 and 1.1 s; the last begins more than a second after the arrival. The next step confirms events.
    assert published == [1, 3, 3, 5, 10]


def test_pause_after_a_slow_sweep_is_a_second_at_most(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "SMALL_BATCH", 2)
    monkeypatch.setattr(relay, "ARRIVAL_SECONDS", 60.0)
    let_sweeps_take(harness, monkeypatch, 2.0)
    for _ in range(4):
        harness.place(enqueued=False)
    harness.clock.advance(6)
    harness.place()
    for seconds in (0, SWEEP_SECONDS, 0):
        harness.step(seconds)

    assert len(harness.published()) == 5


@pytest.mark.parametrize(
    ("waiting", "lost_before", "pause"), [(20, 0, WAIT_SECONDS), (20, 5_000, SWEEP_SECONDS), (19, 0, SWEEP_SECONDS)]
)
def test_sweep_that_lost_its_orders_is_repeated_soon_if_others_wait(
    harness: RelayHarness, monkeypatch: pytest.MonkeyPatch, waiting: int, lost_before: int, pause: float
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    harness.relay._lost_sweeps = lost_before
    outbox = harness.outboxes[0]
    claim = outbox.claim
    lost: list[str] = []

    def claim_after_another(ids: list[str], name: str, now: datetime) -> None:
        if not lost:
            lost.extend(ids)
            claim(ids, "another replica", now)
        claim(ids, name, now)

    monkeypatch.setattr(outbox, "claim", claim_after_another)
    placed = [harness.place(enqueued=False)["_id"] for _ in range(waiting)]
    harness.clock.advance(6)
    harness.step()
    harness.step(pause * 0.9)
    early = len(harness.producer.pending)
    harness.step(pause * 0.2)

    assert lost == placed[:2]
    assert early == 0
    assert len(harness.producer.pending) == 2


def test_drain_publishes_the_queue_and_removes_outbox_entries(harness: RelayHarness) -> None:
    for _ in range(3):
        harness.place()
    harness.relay.drain()

    assert len(harness.published()) == 3
    assert harness.entries() == []


def test_drain_keeps_outbox_entries_of_undelivered_events(harness: RelayHarness) -> None:
    harness.producer.delivers_on_poll = False
    harness.place()
    harness.relay.drain()

    assert len(harness.entries()) == 1


def test_thread_publishes_and_stops_on_close() -> None:
    harness = RelayHarness()
    harness.relay.start()
    harness.place()
    harness.relay.close()

    assert len(harness.published()) == 1
    assert harness.entries() == []
    assert not harness.relay._worker._thread.is_alive()


def test_unexpected_exception_does_not_stop_the_thread(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    defects = [ZeroDivisionError(), ZeroDivisionError()]
    serve = harness.relay._publisher.poll

    def serve_badly() -> None:
        if defects:
            raise defects.pop()
        serve()

    monkeypatch.setattr(relay, "ERROR_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(harness.relay._publisher, "poll", serve_badly)
    harness.relay.start()
    until(lambda: not defects, "every planned exception to be raised")
    harness.place()
    harness.relay.close()

    assert len(harness.published()) == 1


def test_forked_child_publishes_nothing(harness: RelayHarness) -> None:
    record = harness.place(enqueued=False)

    def try_to() -> int:
        harness.relay.enqueue(record)
        rejected = int(harness.relay._queue.empty())
        try:
            harness.relay.run_once()
        except RuntimeError:
            rejected += 1
        return rejected

    assert in_forked_child(try_to) == 2


def test_seconds_since_last_run_are_measured(harness: RelayHarness) -> None:
    harness.clock.advance(7)
    age = harness.relay.seconds_since_last_run
    harness.relay.run_once()

    assert age == pytest.approx(7)
    assert harness.relay.seconds_since_last_run == 0
