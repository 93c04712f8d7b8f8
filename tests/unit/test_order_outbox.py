"""The publisher: fast path, reports, markers, the sweep and its claims."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fakes.orders import FakeOrders, away
from fakes.sink import FakeSink
from order_api import orders, outbox
from order_api.delivery import Delivery
from order_api.orders import Document
from order_api.outbox import Publisher
from order_api.sweep import BATCH, CLAIM
from shared.breaker import MAX_PROBES, OPEN_SECONDS, Breaker
from shared.kafka import KafkaError, KafkaException
from shared.metrics import BreakerMetrics, OrderMetrics
from shared.money import Amount
from support.orders import Clock
from support.wait import until

UNKNOWN_TOPIC = KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


@dataclass
class Shop:
    """A publisher over fakes, stepped by hand in a time that stands until it is moved."""

    clock: Clock = field(default_factory=Clock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    sinks: list[FakeSink] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = FakeOrders(self.clock)
        self.breaker = Breaker("kafka", BreakerMetrics(self.registry), clock=self.clock.seconds)
        self.metrics = OrderMetrics(self.registry)
        self.publisher = self.replica()
        self._ids = count()

    def replica(self) -> Publisher:
        """Return the publisher of one more process on the same store."""
        claims = count()
        name = len(self.sinks)
        common: dict[str, Any] = {"metrics": self.metrics, "clock": self.clock.seconds, "jitter": lambda: 0.0}
        delivery = Delivery(self._make_sink, breaker=self.breaker, **common)
        return Publisher(self.store, delivery, new_claim=lambda: f"claim-{name}-{next(claims)}", **common)

    def _make_sink(self, on_error: Callable[[Any], None]) -> FakeSink:
        self.sinks.append(FakeSink(on_error))
        return self.sinks[-1]

    @property
    def sink(self) -> FakeSink:
        return self.sinks[-1]

    def place(self, *, offered: bool = True) -> Document:
        """Store an order as the API does, and hand its event on."""
        order = orders.Order("alice", Amount(100), "USD", ())
        order_id = orders.new_id(self.clock.now, next(self._ids).to_bytes(10, "big"))
        record = orders.document(order, order_id=order_id, now=self.clock.now)
        self.store.insert(record)
        if offered:
            assert self.publisher.offer(record)
        return record

    def markers(self) -> list[Document]:
        return [d["outbox"] for d in self.store.documents.values() if "outbox" in d]

    def published(self) -> list[str]:
        return [event.orderid for sink in self.sinks for event in sink.log]

    def step(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        self.publisher.step()

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.step()
    return shop


def test_a_queued_event_is_published_and_its_marker_removed_after_the_report(shop: Shop) -> None:
    shop.sink.is_up = False
    record = shop.place()
    shop.step(0.1)
    unreported = len(shop.markers())
    shop.sink.is_up = True
    shop.step(0.1)

    assert unreported == 1
    assert shop.published() == [record["_id"]]
    assert shop.markers() == []
    assert shop.count("outbox_published_total", path="fast") == 1


def test_markers_are_removed_in_batches_not_one_by_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[int] = []
    remove = shop.store.remove

    def count_and_remove(ids: Sequence[str]) -> None:
        removed.append(len(ids))
        remove(ids)

    monkeypatch.setattr(shop.store, "remove", count_and_remove)
    for _ in range(BATCH + 1):
        shop.place()
    for _ in range(4):
        shop.step(0.05)

    assert sum(removed) == BATCH + 1
    assert len(removed) == 2
    assert shop.markers() == []


def test_a_marker_that_cannot_be_removed_now_is_removed_later(shop: Shop) -> None:
    shop.place()
    shop.store.error = away()
    shop.step(0.1)
    shop.store.error = None
    shop.step(4)

    assert shop.markers() == []
    assert len(shop.published()) == 1


def test_a_full_queue_takes_no_more_and_the_sweep_publishes_instead(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "QUEUE_LIMIT", 1)
    small = shop.replica()
    record = shop.place(offered=False)

    assert small.offer(record)
    assert not small.offer(record)


def test_an_order_that_the_fast_path_missed_is_published_by_the_sweep_after_its_grace(shop: Shop) -> None:
    record = shop.place(offered=False)
    shop.step(1.5)
    early = shop.published()
    shop.step(1.5)
    shop.step(0.1)

    assert early == []
    assert shop.published() == [record["_id"]]
    assert shop.markers() == []
    assert shop.count("outbox_published_total", path="sweep") == 1


def test_a_claimed_order_is_left_alone_by_other_replicas_for_30_seconds(shop: Shop) -> None:
    record = shop.place(offered=False)
    shop.sink.is_up = False
    shop.step(3)
    first = shop.sink
    other = shop.replica()
    other.step()
    soon = shop.published()
    shop.clock.advance(CLAIM.total_seconds())
    other.step()
    other.step()

    assert len(first.waiting) == 1
    assert soon == []
    assert shop.published() == [record["_id"]]


def test_two_replicas_that_sweep_at_once_share_what_is_due(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        shop.place(offered=False)
    shop.clock.advance(3)
    other = shop.replica()
    claim = shop.store.claim
    raced: list[bool] = []

    def claim_after_the_other(ids: list[str], name: str, now: Any) -> None:
        if not raced:
            raced.append(True)
            claim(ids[:2], "somebody-else", now)
        claim(ids, name, now)

    monkeypatch.setattr(shop.store, "claim", claim_after_the_other)
    other.step()
    other.step()

    assert len(shop.published()) == 2
    assert [marker["claim"] for marker in shop.markers()] == ["somebody-else"] * 2


def test_a_full_batch_is_followed_by_the_next_without_a_pause(shop: Shop) -> None:
    for _ in range(2 * BATCH + 1):
        shop.place(offered=False)
    shop.clock.advance(3)
    for _ in range(4):
        shop.step()

    assert len(shop.published()) == 2 * BATCH + 1


def test_a_due_that_is_minutes_ahead_was_set_by_a_wrong_clock_and_counts_as_passed(shop: Shop) -> None:
    shop.place(offered=False)
    document = next(iter(shop.store.documents.values()))
    document["outbox"]["due"] = shop.clock.now + timedelta(minutes=3)
    shop.step(2)
    shop.step()

    assert len(shop.published()) == 1


def test_an_order_that_is_not_safe_on_a_majority_is_not_published(shop: Shop) -> None:
    record = shop.place(offered=False)
    shop.store.unsafe.add(record["_id"])
    shop.step(3)
    shop.step(3)

    assert shop.published() == []


def test_a_claim_whose_delivery_failed_is_tried_again_after_a_back_off_that_doubles(shop: Shop) -> None:
    shop.place(offered=False)
    shop.sink.is_up = False
    pauses = []
    shop.clock.advance(3)
    for _ in range(7):
        shop.step()
        assert len(shop.sink.waiting) == 1
        shop.sink.time_out()
        shop.step()
        pauses.append((shop.markers()[0]["due"] - shop.clock.now).total_seconds())
        shop.clock.advance(max(pauses[-1], OPEN_SECONDS))

    assert pauses == [1, 2, 4, 8, 16, 20, 20]


def test_a_failed_fast_path_leaves_the_marker_as_it_was(shop: Shop) -> None:
    record = shop.place()
    shop.sink.is_up = False
    shop.step()
    shop.sink.time_out()
    shop.step()

    assert shop.markers() == [record["outbox"]]


@pytest.mark.parametrize("refusal", [BufferError("Local: Queue full"), UNKNOWN_TOPIC, ZeroDivisionError()])
def test_a_refusing_producer_feeds_the_breaker_and_ends_nothing(shop: Shop, refusal: Exception) -> None:
    shop.sink.refusal = refusal
    for _ in range(6):
        shop.place()
    shop.step()
    is_open = shop.breaker.is_open
    shop.sink.refusal = None
    shop.step(OPEN_SECONDS)
    for _ in range(3):
        shop.step(2)

    assert is_open
    assert shop.markers() == []
    assert sorted(shop.published()) == sorted(shop.store.documents)


def test_while_the_breaker_is_open_nothing_is_claimed_and_events_wait(shop: Shop) -> None:
    shop.sink.is_up = False
    for _ in range(5):
        shop.place()
    shop.step()
    shop.sink.time_out()
    shop.place()
    shop.step(3)

    assert shop.breaker.is_open
    assert {marker["attempts"] for marker in shop.markers()} == {0}


def test_a_half_open_breaker_lets_the_sweep_claim_no_more_than_its_probes(shop: Shop) -> None:
    shop.sink.is_up = False
    for _ in range(20):
        shop.place()
    shop.step()
    shop.sink.time_out()
    shop.step(OPEN_SECONDS)
    claimed = [marker for marker in shop.markers() if marker["claim"]]
    shop.step(2)
    still = [marker for marker in shop.markers() if marker["claim"]]
    shop.sink.is_up = True
    for _ in range(3):
        shop.step(2)

    assert len(claimed) == len(still) == MAX_PROBES
    assert shop.markers() == []


def test_a_fatal_error_replaces_the_producer_after_a_back_off_and_loses_nothing(shop: Shop) -> None:
    broken = shop.sink
    broken.is_up = False
    shop.place()
    shop.step()
    broken.break_down()
    shop.step()
    shop.step(0.5)
    before = len(shop.sinks)
    shop.step(0.6)
    after = len(shop.sinks)
    for _ in range(3):
        shop.step(2)

    assert (before, after) == (1, 2)
    assert broken.waiting == []
    assert shop.count("kafka_producer_restarts_total") == 1
    assert shop.markers() == []
    assert len(shop.published()) == 1


def test_a_fatal_error_that_poll_raises_replaces_the_producer_and_fails_what_was_out(shop: Shop) -> None:
    shop.sink.is_up = False
    shop.place()
    shop.step()
    shop.sink.break_down()
    for _ in range(4):
        shop.step(2)

    assert len(shop.sinks) == 2
    assert len(shop.published()) == 1
    assert shop.markers() == []


def test_producers_that_break_again_and_again_are_replaced_ever_more_slowly(shop: Shop) -> None:
    pauses = []
    for _ in range(7):
        shop.sink.break_down()
        shop.step()
        made, pause = len(shop.sinks), 0.0
        while len(shop.sinks) == made:
            shop.step(0.5)
            pause += 0.5
        pauses.append(pause)

    assert pauses == [1, 2, 4, 8, 16, 20, 20]


def test_an_order_that_the_validator_refuses_to_change_does_not_hold_up_its_neighbours(shop: Shop) -> None:
    guilty = shop.place(offered=False)["_id"]
    others = [shop.place(offered=False)["_id"] for _ in range(3)]
    shop.store.refused.add(guilty)
    shop.step(3)
    shop.step(3)

    assert shop.published() == others


def test_an_order_without_a_readable_event_does_not_hold_up_its_neighbours(shop: Shop) -> None:
    guilty, other = (shop.place(offered=False)["_id"] for _ in range(2))
    shop.store.documents[guilty]["cost"] = "much"
    shop.step(3)
    shop.step(3)

    assert shop.published() == [other]


def test_the_gauges_tell_what_the_database_has(shop: Shop) -> None:
    shop.sink.is_up = False
    shop.place()
    shop.clock.advance(1)
    shop.place()
    shop.step(6)

    assert shop.count("outbox_pending") == 2
    assert shop.count("outbox_oldest_seconds") == 7


def test_a_database_that_is_away_ends_nothing(shop: Shop) -> None:
    shop.store.error = away()
    shop.step(10)
    shop.store.error = None
    shop.place(offered=False)
    for _ in range(3):
        shop.step(3)

    assert len(shop.published()) == 1


def test_the_end_publishes_what_is_queued_and_removes_its_markers(shop: Shop) -> None:
    for _ in range(3):
        shop.place()
    shop.publisher.finish()

    assert len(shop.published()) == 3
    assert shop.markers() == []


def test_what_kafka_did_not_take_by_the_end_is_left_to_the_sweep_of_others(shop: Shop) -> None:
    shop.sink.is_up = False
    shop.place()
    shop.publisher.finish()

    assert len(shop.markers()) == 1


def test_the_thread_publishes_and_ends_when_it_is_closed() -> None:
    shop = Shop()
    shop.publisher.start()
    shop.place()
    shop.publisher.close()

    assert len(shop.published()) == 1
    assert shop.markers() == []
    assert not shop.publisher._thread.is_alive()


def test_a_defect_ends_one_round_and_not_the_thread(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    defects = [ZeroDivisionError(), ZeroDivisionError()]
    serve = shop.publisher._delivery.serve

    def serve_badly() -> None:
        if defects:
            raise defects.pop()
        serve()

    monkeypatch.setattr(outbox, "DEFECT_SECONDS", 0.0)
    monkeypatch.setattr(shop.publisher._delivery, "serve", serve_badly)
    shop.publisher.start()
    until(lambda: not defects, "the defects")
    shop.place()
    shop.publisher.close()

    assert len(shop.published()) == 1


def test_a_forked_child_publishes_nothing(shop: Shop) -> None:
    record = shop.place(offered=False)
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks with threads: the case in hand
        child = os.fork()
    if child == 0:
        refused = 0 if shop.publisher.offer(record) else 1
        try:
            shop.publisher.step()
        except RuntimeError:
            refused += 1
        os.write(writer, str(refused).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reader, 1) == b"2"


def test_the_age_of_the_last_round_is_told(shop: Shop) -> None:
    shop.clock.advance(7)
    age = shop.publisher.age
    shop.publisher.step()

    assert age == pytest.approx(7)
    assert shop.publisher.age == 0
