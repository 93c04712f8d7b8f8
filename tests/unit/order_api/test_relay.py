"""The publisher: fast path, markers, gauges, and how its thread begins, goes on and ends."""

from collections.abc import Sequence

import pytest

from fakes.orders import away
from order_api import relay as outbox
from order_api.sweep import BATCH
from support.child import in_forked_child
from support.outbox import Shop
from support.wait import until


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
    assert shop.count("retail_outbox_published_total", path="fast") == 1


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
    placed = [shop.place(offered=False) for _ in range(2)]
    for record in placed:
        small.offer(record)
    small.step()
    at_once = shop.published()
    for _ in range(2):
        shop.clock.advance(3)
        small.step()

    assert at_once == [placed[0]["_id"]]
    assert shop.published() == [record["_id"] for record in placed]


def test_a_failed_fast_path_leaves_the_marker_as_it_was(shop: Shop) -> None:
    record = shop.place()
    shop.sink.is_up = False
    shop.step()
    shop.sink.time_out()
    shop.step()

    assert shop.markers() == [record["outbox"]]


def test_the_gauges_tell_what_the_database_has(shop: Shop) -> None:
    shop.sink.is_up = False
    shop.place()
    shop.clock.advance(1)
    shop.place()
    shop.step(6)

    assert shop.count("retail_outbox_pending_orders") == 2
    assert shop.count("retail_outbox_oldest_age_seconds") == 7


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

    def try_to() -> int:
        shop.publisher.offer(record)
        refused = int(shop.publisher._queue.empty())
        try:
            shop.publisher.step()
        except RuntimeError:
            refused += 1
        return refused

    assert in_forked_child(try_to) == 2


def test_the_age_of_the_last_round_is_told(shop: Shop) -> None:
    shop.clock.advance(7)
    age = shop.publisher.age
    shop.publisher.step()

    assert age == pytest.approx(7)
    assert shop.publisher.age == 0
