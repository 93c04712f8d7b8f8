"""After the delivery of an event, the relay leaves the outbox entry to order-processor.

If the order is still PLACED shortly before its entry falls due, the relay removes the entry.
"""

from collections.abc import Mapping
from datetime import datetime

import pytest

from order_api import orders, removal
from order_api.orders import Document
from order_api.outbox import BATCH
from order_api.removal import MARGIN
from support.relay import RelayHarness

LEFT_SECONDS = (orders.GRACE - MARGIN).total_seconds()


@pytest.fixture
def removed(harness: RelayHarness, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list; each later call of `remove_unclaimed` appends the number of entries it is asked to remove."""
    sizes: list[int] = []
    (outbox,) = harness.outboxes
    remove = outbox.remove_unclaimed

    def count_and_remove(dues: Mapping[str, datetime]) -> None:
        sizes.append(len(dues))
        remove(dues)

    monkeypatch.setattr(outbox, "remove_unclaimed", count_and_remove)
    return sizes


def test_entry_is_kept_until_the_delivery_report(harness: RelayHarness) -> None:
    harness.producer.delivers_on_poll = False
    record = harness.place()
    harness.step()
    harness.step(LEFT_SECONDS + 1)
    unreported = len(harness.entries())
    harness.producer.delivers_on_poll = True
    harness.step(0.1)
    harness.step(1)

    assert unreported == 1
    assert harness.published() == [record["_id"]]
    assert harness.entries() == []
    assert harness.count("retail_outbox_published_total", path="fast") == 1


def test_entry_of_a_placed_order_is_removed_before_it_falls_due(harness: RelayHarness, removed: list[int]) -> None:
    record = harness.place()
    harness.step()
    harness.step(LEFT_SECONDS - 0.1)
    early = len(harness.entries())
    harness.step(removal.ROUND_SECONDS)

    assert early == 1
    assert harness.entries() == []
    assert removed == [1]
    assert harness.clock.now < record["outbox"]["due"] - MARGIN / 2


def test_order_processed_before_the_removal_is_not_changed(harness: RelayHarness) -> None:
    record = harness.place()
    harness.step()
    harness.transitions.process([record["_id"]], at=harness.clock.now)
    processed = harness.servers.primary[record["_id"]]
    harness.step(LEFT_SECONDS)
    harness.step(10)

    assert harness.servers.primary[record["_id"]] == processed
    assert len(harness.published()) == 1


def test_entry_of_an_order_redriven_before_the_removal_is_kept(harness: RelayHarness) -> None:
    """The redrive made a new entry, because the event must be published again."""
    record = harness.place()
    harness.step()
    harness.transitions.fail([record["_id"]], at=harness.clock.now, reason="out of stock")
    harness.transitions.redrive([record["_id"]], at=harness.clock.now, by="operator")
    harness.relay._next_sweep = harness.clock.seconds() + 60
    harness.step(LEFT_SECONDS)
    (restored,) = harness.entries()
    harness.step(60)
    harness.step(1)

    assert restored["due"] != record["outbox"]["due"]
    assert harness.published() == [record["_id"]] * 2
    assert harness.entries() == []


@pytest.mark.parametrize(
    "changed", [{"outbox.claim": "somebody-else"}, {"outbox.due": "excluded"}], ids=["claimed", "excluded"]
)
def test_entry_claimed_or_excluded_before_the_removal_is_kept(harness: RelayHarness, changed: Document) -> None:
    record = harness.place()
    harness.step()
    harness.change(record["_id"], changed)
    harness.step(LEFT_SECONDS)

    assert len(harness.entries()) == 1


def test_entry_delivered_shortly_before_due_is_removed_within_one_second(harness: RelayHarness) -> None:
    harness.producer.delivers_on_poll = False
    harness.place()
    harness.step()
    harness.clock.advance(LEFT_SECONDS + 0.5)
    harness.producer.delivers_on_poll = True
    harness.step()
    harness.step(removal.ROUND_SECONDS)

    assert harness.entries() == []
    assert len(harness.published()) == 1


def test_entries_are_removed_in_batches(harness: RelayHarness, removed: list[int]) -> None:
    for _ in range(BATCH + 1):
        harness.place()
    for _ in range(4):
        harness.step(0.05)
    harness.step(LEFT_SECONDS)

    assert removed == [BATCH, 1]
    assert harness.entries() == []


def test_oldest_entries_beyond_the_limit_are_removed_at_once(
    harness: RelayHarness, monkeypatch: pytest.MonkeyPatch, removed: list[int]
) -> None:
    monkeypatch.setattr(removal, "LIMIT", 2)
    placed = [harness.place() for _ in range(5)]
    harness.step()

    assert removed == [3]
    assert harness.entries() == [record["outbox"] for record in placed[3:]]


def test_drain_removes_entries_that_order_processor_has_not_removed(harness: RelayHarness, removed: list[int]) -> None:
    harness.place()
    harness.step()
    before = len(harness.entries())
    harness.relay.drain()

    assert (before, removed) == (1, [1])
    assert harness.entries() == []


def test_failed_removal_is_retried(harness: RelayHarness) -> None:
    harness.place()
    harness.step()
    harness.stop_mongodb()
    harness.step(LEFT_SECONDS)
    before = len(harness.entries())
    harness.start_mongodb()
    harness.step(1)

    assert before == 1
    assert harness.entries() == []
    assert len(harness.published()) == 1
