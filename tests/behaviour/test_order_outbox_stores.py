"""The outbox store of order-api behaves the same on MongoDB in memory and on a real server."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from pymongo.database import Database

from order_api import orders
from order_api.outbox import MAX_FAILURES
from shared.mongo import Document
from shared.ordering import schema
from shared.ordering.transitions import technical_failure
from support.order_stores import StoreHarness, invalid_utf8
from support.wait import until


def remove_entry(harness: StoreHarness, order_id: str) -> None:
    harness.outbox.remove_unclaimed({order_id: harness.raw(order_id)["outbox"]["due"]})


def test_placed_orders_with_past_or_implausible_due_time_are_due(harness: StoreHarness) -> None:
    now = harness.outbox.now()
    passed, far, soon, processed, published = (harness.place() for _ in range(5))
    fresh = harness.place(age=-20)
    harness.change(far, {"outbox.due": now + timedelta(minutes=3)})
    harness.change(soon, {"outbox.due": now + timedelta(minutes=1)})
    harness.change(processed, {"status": "PROCESSED"})
    remove_entry(harness, published)

    def due(limit: int) -> list[str]:
        return harness.outbox.find_due(harness.outbox.now(), limit)

    # The removal is written with w:1, so a majority read may still show the old entry.
    until(lambda: set(due(10)) == {passed, far}, "the two due orders")
    assert len(due(1)) == 1
    assert harness.due_in(fresh) > 0


def test_claim_repairs_outbox_entries_with_an_invalid_due_time(harness: StoreHarness) -> None:
    shapes: list[Any] = [0, 1.5, True, {}, {"$date": 0}, [], [7]]
    malformed = [harness.place(age=0) for _ in shapes]
    for order_id, shape in zip(malformed, shapes, strict=True):
        harness.change(order_id, {"outbox.due": shape})
    excluded = harness.place()
    harness.change(excluded, {"outbox.due": "excluded"})
    until(
        lambda: set(harness.outbox.find_due(harness.outbox.now(), 10)) == {*malformed},
        "all malformed entries to be due",
    )
    swept = harness.outbox.sweep(claim="c", limit=10)

    assert {record["_id"] for record in swept} == {*malformed}
    assert all(25 < harness.due_in(order_id) <= 30 for order_id in malformed)


def test_claim_reserves_due_orders_for_30_seconds(harness: StoreHarness) -> None:
    first, second = harness.place(), harness.place()
    harness.outbox.claim([first], "one", harness.outbox.now())
    harness.outbox.claim([first, second], "two", harness.outbox.now())

    assert [d["_id"] for d in harness.outbox.find_claimed([first, second], "one")] == [first]
    assert [d["_id"] for d in harness.outbox.find_claimed([first, second], "two")] == [second]
    assert 25 < harness.due_in(first) <= 30
    assert harness.raw(first)["outbox"]["attempts"] == 1


def test_sweep_returns_orders_with_all_fields_of_their_events(harness: StoreHarness) -> None:
    placed = {harness.place() for _ in range(3)}
    swept = harness.outbox.sweep(claim="c", limit=10)

    assert {record["_id"] for record in swept} == placed
    assert {orders.build_event(record).orderid for record in swept} == placed
    assert harness.outbox.sweep(claim="d", limit=10) == []


def test_parallel_sweeps_claim_each_order_once(harness: StoreHarness) -> None:
    placed = sorted(harness.place() for _ in range(50))
    with ThreadPoolExecutor(4) as pool:
        swept = list(pool.map(lambda n: harness.outbox.sweep(claim=f"c{n}", limit=50), range(4)))

    assert sorted(record["_id"] for records in swept for record in records) == placed


def test_order_processed_after_its_claim_is_not_published(harness: StoreHarness) -> None:
    order_id = harness.place()
    harness.outbox.claim([order_id], "c", harness.outbox.now())
    harness.change(order_id, {"status": "PROCESSED"})

    assert harness.outbox.find_claimed([order_id], "c") == []


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"), [(1, 0.0, 1), (3, 0.0, 4), (9, 0.0, 20), (1000, 0.0, 20), (3, 1.0, 2)]
)
def test_released_outbox_entry_is_due_after_a_growing_back_off(
    harness: StoreHarness, attempts: int, jitter: float, seconds: float
) -> None:
    order_id, other = harness.place(), harness.place()
    for claimed, claim in ((order_id, "mine"), (other, "theirs")):
        harness.outbox.claim([claimed], claim, harness.outbox.now())
    harness.change(order_id, {"outbox.attempts": attempts})
    harness.outbox.release([order_id, other], ["mine"], jitter)

    assert seconds - 1 < harness.due_in(order_id) <= seconds
    assert harness.due_in(other) > 25


def test_removing_an_outbox_entry_twice_is_harmless(harness: StoreHarness) -> None:
    first, second = harness.place(), harness.place()
    harness.outbox.claim([first, second], "c", harness.outbox.now())
    harness.outbox.remove_claimed({first: "c", "absent": "c"})
    harness.outbox.remove_claimed({first: "c"})

    assert "outbox" not in harness.raw(first)
    assert "outbox" in harness.raw(second)


def test_claimed_entry_is_removed_only_if_its_claim_is_unchanged(harness: StoreHarness) -> None:
    unchanged, claimed_again, restored = (harness.place() for _ in range(3))
    harness.outbox.claim([unchanged, claimed_again, restored], "first", harness.outbox.now())
    harness.change(claimed_again, {"outbox.claim": "second"})
    harness.change(restored, {"outbox.claim": None})
    other = harness.place()
    harness.outbox.claim([other], "second", harness.outbox.now())
    harness.outbox.remove_claimed(dict.fromkeys((unchanged, claimed_again, restored), "first") | {other: "second"})

    removed = [i for i in (unchanged, claimed_again, restored, other) if "outbox" not in harness.raw(i)]
    assert removed == [unchanged, other]


def test_only_entries_that_are_unchanged_since_the_insert_are_removed(harness: StoreHarness) -> None:
    unchanged, claimed, processed, excluded = (harness.place() for _ in range(4))
    restored = harness.place(age=1)
    dues = {order_id: harness.raw(order_id)["outbox"]["due"] for order_id in (unchanged, claimed, restored, processed)}
    dues[excluded] = dues[unchanged]
    harness.outbox.claim([claimed], "c", harness.outbox.now())
    harness.change(restored, {"outbox.due": dues[unchanged]})
    harness.change(processed, {"status": "PROCESSED"})
    harness.change(excluded, {"outbox.due": "excluded"})
    harness.outbox.remove_unclaimed(dues)

    assert [order_id for order_id in dues if "outbox" not in harness.raw(order_id)] == [unchanged]


def test_backlog_counts_placed_orders_with_an_outbox_entry(harness: StoreHarness) -> None:
    empty = harness.backlog.read()
    oldest, processed, removed = harness.place(age=100), harness.place(age=200), harness.place(age=300)
    harness.place()
    harness.change(processed, {"status": "PROCESSED"})
    remove_entry(harness, removed)
    backlog = harness.backlog.read()

    assert set(empty) == {0}
    assert oldest
    assert backlog.pending == 2
    assert 99 < backlog.oldest_pending_seconds < 110
    assert backlog.unprocessed == 3
    assert 299 < backlog.oldest_unprocessed_seconds < 310


def test_backlog_counts_orders_that_need_an_operator(harness: StoreHarness) -> None:
    excluded, technical, refused, redriven = (harness.place(age=100) for _ in range(4))
    failed = {"status": "FAILED", "at": harness.outbox.now(), "by": "order-processor"}
    harness.change(excluded, {"outbox": {"due": "excluded", "attempts": 0}})
    for order_id, reasons in {
        technical: [technical_failure(technical)],
        refused: ["item not sold: anvil"],
        redriven: [technical_failure(redriven), "item not sold: anvil"],
    }.items():
        harness.change(order_id, {"status": "FAILED", "history": [failed | {"reason": reason} for reason in reasons]})
    backlog = harness.backlog.read()

    assert (backlog.excluded, backlog.failed) == (1, 1)
    assert (backlog.unprocessed, backlog.oldest_unprocessed_seconds) == (1, 0)


def test_rejected_update_does_not_block_the_other_orders(harness: StoreHarness) -> None:
    ids = [harness.place() for _ in range(5)]
    harness.reject_changes(ids[2])
    swept = harness.outbox.sweep(claim="c", limit=10)
    harness.outbox.remove_claimed(dict.fromkeys(ids, "c"))

    assert {record["_id"] for record in swept} == {*ids} - {ids[2]}
    assert [order_id for order_id in ids if "outbox" in harness.raw(order_id)] == [ids[2]]


def test_order_that_cannot_be_claimed_does_not_block_others(harness: StoreHarness) -> None:
    rejected, other = harness.place(age=20), harness.place(age=10)
    harness.reject_changes(rejected)
    swept = [[record["_id"] for record in harness.outbox.sweep(claim=f"c{n}", limit=1)] for n in range(3)]

    assert swept == [[], [other], []]


def test_backlog_is_readable_despite_a_date_before_year_1(real: StoreHarness, admin: Database[Document]) -> None:
    """The driver returns such a date as DatetimeMS, because Python's datetime starts at year 1."""
    order_id = real.place()
    admin[schema.COLLECTION].update_one({"_id": order_id}, {"$set": {"placed_at": DatetimeMS(-(10**14))}})

    assert real.backlog.read().oldest_unprocessed_seconds > 10**11


def test_order_with_invalid_utf8_does_not_block_others(real: StoreHarness, admin: Database[Document]) -> None:
    """MongoDB stores such a text, and the driver cannot decode it."""
    broken, other = real.place(), real.place()
    invalid = invalid_utf8(real.raw(broken) | {"orderitems": [{"item": "café"}]})
    admin[schema.COLLECTION].replace_one({"_id": broken}, invalid, bypass_document_validation=True)
    swept = real.outbox.sweep(claim="c", limit=10)

    assert [record["_id"] for record in swept] == [other]


def test_order_whose_id_is_invalid_utf8_does_not_block_others(real: StoreHarness, admin: Database[Document]) -> None:
    other = real.place()
    invalid = invalid_utf8(real.make() | {"_id": "é"})
    admin[schema.COLLECTION].insert_one(invalid, bypass_document_validation=True)
    swept = real.outbox.sweep(claim="c", limit=10)
    for _ in range(MAX_FAILURES):
        real.outbox.record_failure("\udcff\udcff")

    assert [record["_id"] for record in swept] == [other]


def test_backlog_counts_failed_orders_with_invalid_utf8(real: StoreHarness, admin: Database[Document]) -> None:
    order_id = real.place()
    reason = f"{technical_failure(order_id)} é"
    failed = {"status": "FAILED", "at": real.outbox.now(), "by": "order-processor", "reason": reason}
    invalid = invalid_utf8(real.raw(order_id) | {"status": "FAILED", "history": [failed]})
    admin[schema.COLLECTION].replace_one({"_id": order_id}, invalid, bypass_document_validation=True)

    assert real.backlog.read().failed == 1
