"""Orders that wait: how they are inserted, and how their drain is measured."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from bench import backlog
from bench.measure import LoadFailedError
from shared.ordering.document import check


class FakeOrders:
    """A collection that keeps what is inserted, and whose counts are given; the last one is repeated."""

    def __init__(self, counts: Sequence[int] = ()) -> None:
        self.counts = [*counts]
        self.inserted: list[dict[str, Any]] = []

    def insert_many(self, documents: list[dict[str, Any]], *, ordered: bool) -> None:
        assert not ordered
        assert len(documents) <= backlog.INSERTED_AT_ONCE
        self.inserted += documents

    def count_documents(self, _query: dict[str, Any], limit: int = 0) -> int:
        count = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        return min(count, limit) if limit else count


def orders(*counts: int) -> backlog.Orders:
    return cast("backlog.Orders", FakeOrders(counts))


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(backlog, "SETTLE_POLL_SECONDS", 0.001)


def test_inserted_orders_are_due_together_later() -> None:
    collection = FakeOrders()
    before = datetime.now(UTC)
    backlog.fill(cast("backlog.Orders", collection), 2_500)

    assert len({document["_id"] for document in collection.inserted}) == 2_500
    check(collection.inserted[-1])
    (due,) = {document["outbox"]["due"] for document in collection.inserted}
    assert due > before + backlog.LEAD / 2


def test_drain_starts_with_the_first_orders_that_are_done() -> None:
    sample = backlog.drain(orders(100, 100, 100, 80, 40, 0), {}, {"app": [os.getpid()]})

    assert (sample.requests, sample.failed, sample.p99_ms) == (80, 0, None)
    assert set(sample.cpu_us) == {"app"}


@pytest.mark.parametrize("counts", [(100, 100), (100, 80, 40)])
def test_drain_that_stalls_ends_the_measurement(counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "DRAIN_SECONDS", 0.05)
    with pytest.raises(LoadFailedError, match=f"{counts[-1]} orders still wait"):
        backlog.drain(orders(*counts), {}, {})


@pytest.mark.parametrize("counts", [(100, 0), (0,)])
def test_drain_too_fast_to_measure_is_not_a_figure(counts: tuple[int, ...]) -> None:
    with pytest.raises(LoadFailedError, match="measure more orders"):
        backlog.drain(orders(*counts), {}, {})


def test_settling_waits_until_no_order_is_left() -> None:
    left = FakeOrders([3, 1, 0])
    backlog.await_none(cast("backlog.Orders", left), {}, 5.0)

    assert left.counts == [0]


def test_orders_that_stay_end_the_measurement() -> None:
    with pytest.raises(LoadFailedError, match="3 orders still wait"):
        backlog.await_none(orders(3), {}, 0.0)
