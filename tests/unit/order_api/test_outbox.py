"""The outbox in MongoDB: cases that tests/behaviour does not cover."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fakes import mongo_client
from fakes.replica_set import ReplicaSet
from order_api import orders
from order_api import outbox as outbox_module
from order_api.models import OrderItem
from order_api.outbox import MAX_FAILURES, SWEEPS_PER_FIND, Outbox
from order_api.store import OrderStore
from shared.ordering.money import Amount
from shared.resilience.breaker import Breaker
from shared.store import StoreUnavailable
from shared.telemetry.metrics import BreakerMetrics
from support.clock import Clock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = NOW
    return clock


@pytest.fixture
def servers(clock: Clock) -> ReplicaSet:
    return ReplicaSet(clock)


@pytest.fixture
def outbox(servers: ReplicaSet) -> Outbox:
    return new_outbox(servers)


def new_outbox(servers: ReplicaSet, choose: Callable[[int], int] = lambda _: 0) -> Outbox:
    return Outbox(database(servers), Breaker("mongodb", BreakerMetrics(CollectorRegistry())), choose=choose)


def database(servers: ReplicaSet) -> Any:
    return mongo_client.FakeDatabase(servers)


def place(servers: ReplicaSet, *ages: int) -> list[str]:
    """Store one order for each of these ages in seconds; return the order ids."""
    breaker = Breaker("mongodb", BreakerMetrics(CollectorRegistry()))
    store = OrderStore(database(servers), breaker, breaker)
    order = orders.Order("alice", Amount(100), "USD", (OrderItem("apple"),))
    ids = []
    for age in ages:
        placed = NOW - timedelta(seconds=age)
        ids.append(orders.new_id(placed, bytes(10)))
        store.insert(orders.build_document(order, order_id=ids[-1], now=placed))
    return ids


def test_orders_with_rejected_claims_are_skipped_for_30_seconds(servers: ReplicaSet, outbox: Outbox) -> None:
    first, second, third = place(servers, 50, 40, 30)
    servers.rejected_ids.update({first, second})
    outbox.claim(outbox.find_due(NOW, 2), "c", NOW)
    found = [outbox.find_due(NOW + timedelta(seconds=later), 2) for later in (0, 29, 30)]

    assert found == [[third], [third], [first, second]]


def test_rejected_orders_are_not_skipped_after_the_clock_moves_back(servers: ReplicaSet, outbox: Outbox) -> None:
    rejected = place(servers, 500)
    servers.rejected_ids.update(rejected)
    outbox.claim(rejected, "c", NOW)

    assert outbox.find_due(NOW - timedelta(seconds=60), 1) == rejected


def test_one_find_serves_all_sweeps_until_a_batch_is_not_full(
    monkeypatch: pytest.MonkeyPatch, servers: ReplicaSet, outbox: Outbox
) -> None:
    finds: list[int] = []
    find = outbox.find_due

    def count_and_find(now: datetime, limit: int) -> list[str]:
        finds.append(len(swept))
        return find(now, limit)

    monkeypatch.setattr(outbox, "find_due", count_and_find)
    ids = place(servers, 90, 80, 70, 60, 50, 40, 30)
    swept: list[list[str]] = []
    for name in ("a", "b", "c"):
        if name == "c":
            outbox.claim(ids[4:6], "other replica", NOW)
        swept.append([record["_id"] for record in outbox.sweep(claim=name, limit=2)])
    (late,) = place(servers, 20)
    swept.append([record["_id"] for record in outbox.sweep(claim="d", limit=2)])

    assert swept == [ids[:2], ids[2:4], [], [ids[6], late]]
    assert finds == [0, 3]


def test_the_sweep_to_begin_with_is_chosen_among_those_of_a_find(servers: ReplicaSet) -> None:
    ids = place(servers, 90, 80, 70, 60, 50)
    asked: list[int] = []

    def choose_last(sweeps: int) -> int:
        asked.append(sweeps)
        return sweeps - 1

    outbox = new_outbox(servers, choose=choose_last)
    swept = [[record["_id"] for record in outbox.sweep(claim=name, limit=2)] for name in "abc"]

    assert asked == [2]
    assert swept == [ids[2:4], [ids[0], ids[4]], [ids[1]]]


@pytest.mark.parametrize(("limit", "rejected", "others_wait"), [(2, 0, True), (3, 0, False), (2, 1, False)])
def test_others_wait_after_a_full_find_without_rejected_claims(
    servers: ReplicaSet, outbox: Outbox, limit: int, rejected: int, others_wait: bool
) -> None:
    outbox._sweeps_per_find = 1
    ids = place(servers, 90, 80)
    servers.rejected_ids.update(ids[:rejected])
    outbox.sweep(claim="a", limit=limit)

    assert outbox.others_wait is others_wait


def test_find_that_fails_is_repeated_for_one_batch(
    monkeypatch: pytest.MonkeyPatch, servers: ReplicaSet, outbox: Outbox
) -> None:
    limits: list[int] = []
    find = outbox.find_due

    def find_or_fail(now: datetime, limit: int) -> list[str]:
        limits.append(limit)
        if len(limits) == 1:
            raise StoreUnavailable
        return find(now, limit)

    monkeypatch.setattr(outbox, "find_due", find_or_fail)
    ids = place(servers, 90, 80)
    with pytest.raises(StoreUnavailable):
        outbox.sweep(claim="a", limit=2)
    swept = [record["_id"] for record in outbox.sweep(claim="b", limit=2)]
    outbox.sweep(claim="c", limit=2)

    assert swept == ids
    assert limits == [2 * SWEEPS_PER_FIND, 2, 2 * SWEEPS_PER_FIND]


def test_number_of_remembered_rejections_is_bounded(
    monkeypatch: pytest.MonkeyPatch, servers: ReplicaSet, outbox: Outbox
) -> None:
    monkeypatch.setattr(outbox_module, "REJECTED_LIMIT", 2)
    ids = place(servers, 50, 40, 30)
    servers.rejected_ids.update(ids)
    outbox.claim(ids[:1], "c", NOW)
    outbox.claim(ids[1:], "c", NOW)

    assert outbox.find_due(NOW, 3) == ids[2:]


def test_failures_of_orders_that_recovered_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, servers: ReplicaSet, outbox: Outbox
) -> None:
    """Otherwise they would fill the memory for failures, and no order could become FAILED any more."""
    monkeypatch.setattr(outbox_module, "REJECTED_LIMIT", 2)
    recovered, broken = place(servers, 50, 40), place(servers, 30, 20)
    for order_id in recovered:
        outbox.record_failure(order_id)
    clock.advance(3601)
    outbox.find_due(clock.now, 1)
    for _ in range(MAX_FAILURES):
        for order_id in broken:
            outbox.record_failure(order_id)

    assert [servers.primary[order_id]["status"] for order_id in recovered + broken] == ["PLACED"] * 2 + ["FAILED"] * 2


def test_failures_within_an_hour_are_counted_together(clock: Clock, servers: ReplicaSet, outbox: Outbox) -> None:
    (broken,) = place(servers, 50)
    for _ in range(MAX_FAILURES):
        outbox.find_due(clock.now, 1)
        outbox.record_failure(broken)
        clock.advance(3599)

    assert servers.primary[broken]["status"] == "FAILED"
