"""The outbox of orders, claimed, swept and released: what the fake does, MongoDB does, as order-api's own user."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from order_api import orders
from order_api.sweep import sweep
from support.shop import Shop
from support.wait import until


def test_due_are_placed_orders_whose_time_has_passed_or_is_absurdly_far(shop: Shop) -> None:
    now = shop.outbox.now()
    passed, far, soon, processed, published = (shop.place() for _ in range(5))
    fresh = shop.place(age=-20)
    shop.change(far, {"outbox.due": now + timedelta(minutes=3)})
    shop.change(soon, {"outbox.due": now + timedelta(minutes=1)})
    shop.change(processed, {"status": "PROCESSED"})
    shop.outbox.remove([published])

    def due(limit: int) -> list[str]:
        return shop.outbox.find_due(shop.outbox.now(), limit)

    # A majority read may trail the removal, which is not waited for.
    until(lambda: set(due(10)) == {passed, far}, "the two that are due")
    assert len(due(1)) == 1
    assert shop.due_in(fresh) > 0


def test_a_claim_takes_what_is_still_due_for_30_seconds(shop: Shop) -> None:
    first, second = shop.place(), shop.place()
    shop.outbox.claim([first], "one", shop.outbox.now())
    shop.outbox.claim([first, second], "two", shop.outbox.now())

    assert [d["_id"] for d in shop.outbox.find_claimed([first, second], "one")] == [first]
    assert [d["_id"] for d in shop.outbox.find_claimed([first, second], "two")] == [second]
    assert 25 < shop.due_in(first) <= 30
    assert shop.raw(first)["outbox"]["attempts"] == 1


def test_a_sweep_returns_what_is_needed_to_publish(shop: Shop) -> None:
    placed = {shop.place() for _ in range(3)}
    swept = sweep(shop.outbox, claim="c", limit=10)

    assert {record["_id"] for record in swept} == placed
    assert {orders.event(record).orderid for record in swept} == placed
    assert sweep(shop.outbox, claim="d", limit=10) == []


def test_of_parallel_sweeps_each_order_is_of_one(shop: Shop) -> None:
    placed = sorted(shop.place() for _ in range(50))
    with ThreadPoolExecutor(4) as pool:
        swept = list(pool.map(lambda n: sweep(shop.outbox, claim=f"c{n}", limit=50), range(4)))

    assert sorted(record["_id"] for records in swept for record in records) == placed


def test_an_order_that_was_processed_after_its_claim_is_not_published(shop: Shop) -> None:
    order_id = shop.place()
    shop.outbox.claim([order_id], "c", shop.outbox.now())
    shop.change(order_id, {"status": "PROCESSED"})

    assert shop.outbox.find_claimed([order_id], "c") == []


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"), [(1, 0.0, 1), (3, 0.0, 4), (9, 0.0, 20), (1000, 0.0, 20), (3, 1.0, 2)]
)
def test_a_released_claim_is_due_after_a_back_off_by_its_attempts(
    shop: Shop, attempts: int, jitter: float, seconds: float
) -> None:
    order_id, other = shop.place(), shop.place()
    for claimed, claim in ((order_id, "mine"), (other, "theirs")):
        shop.outbox.claim([claimed], claim, shop.outbox.now())
    shop.change(order_id, {"outbox.attempts": attempts})
    shop.outbox.release([order_id, other], ["mine"], jitter)

    assert seconds - 1 < shop.due_in(order_id) <= seconds
    assert shop.due_in(other) > 25


def test_a_removed_marker_is_gone_and_removing_it_again_does_nothing(shop: Shop) -> None:
    first, second = shop.place(), shop.place()
    shop.outbox.remove([first, "absent"])
    shop.outbox.remove([first])

    assert "outbox" not in shop.raw(first)
    assert "outbox" in shop.raw(second)


def test_the_backlog_counts_placed_orders_with_a_marker(shop: Shop) -> None:
    empty = shop.outbox.backlog()
    oldest, processed, removed = shop.place(age=100), shop.place(age=200), shop.place(age=300)
    shop.place()
    shop.change(processed, {"status": "PROCESSED"})
    shop.outbox.remove([removed])
    backlog = shop.outbox.backlog()

    assert tuple(empty) == (0, 0)
    assert oldest
    assert backlog.pending == 2
    assert 99 < backlog.oldest_seconds < 110


def test_an_order_that_may_not_be_changed_does_not_keep_its_neighbours_from_it(shop: Shop) -> None:
    ids = [shop.place() for _ in range(5)]
    shop.refuse_changes(ids[2])
    swept = sweep(shop.outbox, claim="c", limit=10)
    shop.outbox.remove(ids)

    assert {record["_id"] for record in swept} == {*ids} - {ids[2]}
    assert [order_id for order_id in ids if "outbox" in shop.raw(order_id)] == [ids[2]]


def test_an_order_that_could_not_be_claimed_makes_way_for_the_next_one(shop: Shop) -> None:
    refused, other = shop.place(age=20), shop.place(age=10)
    shop.refuse_changes(refused)
    swept = [[record["_id"] for record in sweep(shop.outbox, claim=f"c{n}", limit=1)] for n in range(3)]

    assert swept == [[], [other], []]
