"""The sweep: one replica claims orders that the fast path missed, publishes their events, and retries failures."""

from datetime import timedelta
from typing import Any

import pytest
from bson.errors import InvalidBSON
from pymongo.errors import WriteError

from order_api.orders import Document
from order_api.outbox import BATCH, CLAIM
from shared.resilience.breaker import MAX_PROBES, OPEN_SECONDS
from support.relay import RelayHarness


def test_sweep_publishes_only_after_the_grace_period(harness: RelayHarness) -> None:
    record = harness.place(enqueued=False)
    harness.step(4.5)
    early = harness.published()
    harness.step(1.5)
    harness.step(0.1)

    assert early == []
    assert harness.published() == [record["_id"]]
    assert harness.entries() == []
    assert harness.count("retail_outbox_published_total", path="sweep") == 1


def test_claimed_order_is_skipped_by_other_replicas_for_30_seconds(harness: RelayHarness) -> None:
    record = harness.place(enqueued=False)
    harness.producer.delivers_on_poll = False
    harness.step(6)
    first = harness.producer
    other = harness.replica()
    other.run_once()
    soon = harness.published()
    harness.clock.advance(CLAIM.total_seconds())
    other.run_once()
    other.run_once()

    assert len(first.pending) == 1
    assert soon == []
    assert harness.published() == [record["_id"]]


def test_concurrent_sweeps_share_the_due_orders(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        harness.place(enqueued=False)
    harness.clock.advance(6)
    other = harness.replica()
    outbox = harness.outboxes[-1]
    claim = outbox.claim
    raced: list[bool] = []

    def claim_after_the_other(ids: list[str], name: str, now: Any) -> None:
        if not raced:
            raced.append(True)
            claim(ids[:2], "somebody-else", now)
        claim(ids, name, now)

    monkeypatch.setattr(outbox, "claim", claim_after_the_other)
    other.run_once()
    other.run_once()

    assert len(harness.published()) == 2
    assert [entry["claim"] for entry in harness.entries()] == ["somebody-else"] * 2


def test_full_batch_is_followed_by_the_next_without_pause(harness: RelayHarness) -> None:
    for _ in range(2 * BATCH + 1):
        harness.place(enqueued=False)
    harness.clock.advance(6)
    for _ in range(4):
        harness.step()

    assert len(harness.published()) == 2 * BATCH + 1


def test_due_time_a_few_minutes_ahead_counts_as_due(harness: RelayHarness) -> None:
    record = harness.place(enqueued=False)
    harness.change(record["_id"], {"outbox.due": harness.clock.now + timedelta(minutes=3)})
    harness.step(2)
    harness.step()

    assert len(harness.published()) == 1


def test_order_not_yet_on_a_majority_is_not_published(harness: RelayHarness) -> None:
    record = harness.place(enqueued=False)
    del harness.servers.view[record["_id"]]
    harness.step(6)
    harness.step(6)

    assert harness.published() == []


def test_failed_delivery_is_retried_with_a_doubling_back_off(harness: RelayHarness) -> None:
    harness.place(enqueued=False)
    harness.producer.delivers_on_poll = False
    pauses = []
    harness.clock.advance(6)
    for _ in range(7):
        harness.step()
        assert len(harness.producer.pending) == 1
        harness.producer.time_out()
        harness.step()
        pauses.append((harness.entries()[0]["due"] - harness.clock.now).total_seconds())
        harness.clock.advance(max(pauses[-1], OPEN_SECONDS))

    assert pauses == [1, 2, 4, 8, 16, 20, 20]


def test_half_open_breaker_limits_the_sweep_to_a_few_probes(harness: RelayHarness) -> None:
    harness.producer.delivers_on_poll = False
    for _ in range(20):
        harness.place()
    harness.step()
    harness.producer.time_out()
    harness.step(OPEN_SECONDS)
    claimed = [entry for entry in harness.entries() if entry["claim"]]
    harness.step(2)
    still = [entry for entry in harness.entries() if entry["claim"]]
    harness.producer.delivers_on_poll = True
    for _ in range(3):
        harness.step(2)

    assert len(claimed) == len(still) == MAX_PROBES
    assert harness.entries() == []


def test_order_with_rejected_update_does_not_block_others(harness: RelayHarness) -> None:
    guilty = harness.place(enqueued=False)["_id"]
    others = [harness.place(enqueued=False)["_id"] for _ in range(3)]
    harness.servers.rejected_ids.add(guilty)
    harness.step(6)
    harness.step(6)

    assert harness.published() == others


def test_batch_of_rejected_updates_does_not_block_later_orders(
    harness: RelayHarness,
) -> None:
    guilty = [harness.place(enqueued=False)["_id"] for _ in range(BATCH)]
    harness.servers.rejected_ids.update(guilty)
    harness.clock.advance(1)
    other = harness.place(enqueued=False)["_id"]
    harness.step(6)
    harness.step(2)
    harness.step()
    before = harness.published()
    harness.servers.rejected_ids.clear()
    harness.step(CLAIM.total_seconds())
    harness.step()

    assert before == [other]
    assert harness.published() == [other, *guilty]


def test_order_whose_event_cannot_be_built_does_not_block_others(harness: RelayHarness) -> None:
    guilty, other = (harness.place(enqueued=False)["_id"] for _ in range(2))
    harness.change(guilty, {"cost": "much"})
    harness.step(6)
    harness.step(6)

    assert harness.published() == [other]


@pytest.mark.parametrize(
    "shape",
    [
        {"cost": "much"},
        {"cost": 12.5},
        {"placed_at": "yesterday"},
        {"orderitems": ["apple"]},
        {"outbox.attempts": "many"},
        {"outbox.traceparent": 7},
    ],
    ids=str,
)
def test_order_that_cannot_be_published_fails_after_five_attempts(harness: RelayHarness, shape: Document) -> None:
    guilty, other = (harness.place(enqueued=False)["_id"] for _ in range(2))
    harness.change(guilty, shape)
    harness.step(6)
    for _ in range(3):
        harness.step(CLAIM.total_seconds() + 1)
    before = harness.servers.view[guilty]["status"]
    harness.step(CLAIM.total_seconds() + 1)
    harness.step(1)

    assert before == "PLACED"
    order = harness.servers.view[guilty]
    assert (order["status"], "outbox" in order) == ("FAILED", False)
    last = order["history"][-1]
    assert (last["by"], last["reason"]) == (
        "order-api",
        f"could not be processed; contact the shop, reference {guilty}",
    )
    assert harness.published() == [other]


def test_order_that_cannot_be_decoded_fails_and_does_not_block_others(
    harness: RelayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    guilty, *others = (harness.place(enqueued=False)["_id"] for _ in range(3))
    find = harness.servers.find

    def decode(query: Any, *, local: bool) -> list[Document]:
        found = find(query, local=local)
        if "outbox.claim" in query and any(document["_id"] == guilty for document in found):
            raise InvalidBSON("invalid start byte")
        return found

    monkeypatch.setattr(harness.servers, "find", decode)
    harness.step(6)
    harness.step(1)
    published = harness.published()
    for _ in range(4):
        harness.step(CLAIM.total_seconds() + 1)

    assert published == others
    assert harness.servers.view[guilty]["status"] == "FAILED"


def test_order_that_cannot_become_failed_is_excluded(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    guilty, other = (harness.place(enqueued=False)["_id"] for _ in range(2))
    harness.change(guilty, {"cost": "much"})
    update = harness.servers.update

    def reject_failing(query: Any, change: Any, *, many: bool) -> int:
        if "FAILED" in str(change):
            raise WriteError("too large", 17419)
        return update(query, change, many=many)

    monkeypatch.setattr(harness.servers, "update", reject_failing)
    harness.step(6)
    for _ in range(5):
        harness.step(CLAIM.total_seconds() + 1)

    order = harness.servers.view[guilty]
    assert (order["status"], order["outbox"]["due"]) == ("PLACED", "excluded")
    assert harness.backlog().pending == 0
    assert harness.outboxes[0].find_due(harness.clock.now, 10) == []
    assert harness.published() == [other]
