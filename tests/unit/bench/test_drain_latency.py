"""The latency beside a drain: when it is a figure, and what the report shows."""

from typing import TYPE_CHECKING, Any, cast

import pytest

from bench import backlog, drain_latency, measure
from bench.drain_latency import WITH, WITHOUT, Measurement
from bench.measure import LoadFailedError, Sample

if TYPE_CHECKING:
    from bench.system import System


class FakeOrders:
    """A collection whose counts of orders are given; the last one is repeated."""

    def __init__(self, *counts: int) -> None:
        self.counts = [*counts]

    def insert_many(self, documents: list[dict[str, Any]], *, ordered: bool) -> None:
        """Insert nothing."""

    def count_documents(self, _query: dict[str, Any], limit: int = 0) -> int:
        count = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        return min(count, limit) if limit else count


class FakeSystem:
    """A system without servers."""

    def __init__(self, orders: FakeOrders) -> None:
        self.orders = orders

    def place(self, _peer: None) -> None:
        """Return no request."""

    def settle(self, _peer: None) -> None:
        """Wait for nothing."""


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_request: None, *, settle: Any, **_: Any) -> Sample:
        settle()
        return Sample(100, 1.0, 0, 1.0, 2.0, {})

    monkeypatch.setattr(measure, "open_loop", load)
    monkeypatch.setattr(backlog, "POLL_SECONDS", 0.001)


def measurement(*counts: int) -> Measurement:
    return Measurement(cast("System", FakeSystem(FakeOrders(*counts))), rate=300.0, seconds=1, count=100)


def test_drain_that_lasts_longer_than_the_load_is_a_figure() -> None:
    found = measurement(100, 90, 40, 0)
    found.during_drain()

    (drained,) = found.drained
    assert drained > 0
    assert found.system.orders.count_documents({}) == 0


def test_drain_that_ends_before_the_load_is_not_a_figure() -> None:
    with pytest.raises(LoadFailedError, match="ended before the load"):
        measurement(100, 90, 0).during_drain()


def test_both_are_measured_in_each_round() -> None:
    found = measurement(100, 90, 40, 0, 100, 90, 40, 0)
    found.run(2)

    assert {name: len(samples) for name, samples in found.samples.items()} == {WITHOUT: 2, WITH: 2}


def test_ratio_compares_the_same_round() -> None:
    found = measurement(0)
    for without, drain in ((10.0, 20.0), (30.0, 33.0)):
        found.samples[WITHOUT].append(Sample(1, 1.0, 0, 5.0, without, {}))
        found.samples[WITH].append(Sample(1, 1.0, 0, 5.0, drain, {}))
    found.drained += [3_000.0, 3_000.0]

    text = found.text()
    assert f"| {drain_latency.WITH} | 5.0 | 26.5 (20.0-33.0) |" in text
    assert "1.55 (1.10-2.00) x" in text
    assert "3,000 orders/s" in text
