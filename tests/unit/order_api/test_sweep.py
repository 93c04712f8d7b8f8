"""The sweep: what the fast path missed is claimed by one replica, published, and tried again when that failed."""

from datetime import timedelta
from typing import Any

import pytest

from order_api.sweep import BATCH, CLAIM
from shared.resilience.breaker import MAX_PROBES, OPEN_SECONDS
from support.outbox import Shop


def test_an_order_that_the_fast_path_missed_is_published_by_the_sweep_after_its_grace(shop: Shop) -> None:
    record = shop.place(offered=False)
    shop.step(1.5)
    early = shop.published()
    shop.step(1.5)
    shop.step(0.1)

    assert early == []
    assert shop.published() == [record["_id"]]
    assert shop.markers() == []
    assert shop.count("retail_outbox_published_total", path="sweep") == 1


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


def test_an_order_that_the_validator_refuses_to_change_does_not_hold_up_its_neighbours(shop: Shop) -> None:
    guilty = shop.place(offered=False)["_id"]
    others = [shop.place(offered=False)["_id"] for _ in range(3)]
    shop.store.refused.add(guilty)
    shop.step(3)
    shop.step(3)

    assert shop.published() == others


def test_a_whole_batch_that_the_validator_refuses_to_change_does_not_hold_up_the_orders_after_it(shop: Shop) -> None:
    guilty = [shop.place(offered=False)["_id"] for _ in range(BATCH)]
    shop.store.refused.update(guilty)
    shop.clock.advance(1)
    other = shop.place(offered=False)["_id"]
    shop.step(3)
    shop.step(2)
    shop.step()
    before = shop.published()
    shop.store.refused.clear()
    shop.step(CLAIM.total_seconds())
    shop.step()

    assert before == [other]
    assert shop.published() == [other, *guilty]


def test_an_order_without_a_readable_event_does_not_hold_up_its_neighbours(shop: Shop) -> None:
    guilty, other = (shop.place(offered=False)["_id"] for _ in range(2))
    shop.store.documents[guilty]["cost"] = "much"
    shop.step(3)
    shop.step(3)

    assert shop.published() == [other]
