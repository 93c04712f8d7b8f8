"""The benchmark of a growing collection: which orders it inserts, and how it continues."""

from pathlib import Path
from typing import Any, cast

import pytest

from bench import backlog, growth
from bench.measure import Sample
from shared.ordering.document import check

SAMPLE = Sample(900, 5.0, 0, 5.0, 10.0, {"app": 300.0, "mongod": 100.0, "broker": 50.0, "load": 7.0})


class FakeOrders:
    """A collection with some orders; keeps what is inserted."""

    def __init__(self, count: int) -> None:
        self.inserted: list[dict[str, Any]] = []
        self._count = count

    def estimated_document_count(self) -> int:
        return self._count

    def insert_many(self, documents: list[dict[str, Any]], *, ordered: bool) -> None:
        assert not ordered
        self.inserted += documents


@pytest.mark.parametrize(("present", "inserted"), [(0, 2_500), (2_499, 1), (2_500, 0), (3_000, 0)])
def test_collection_grows_to_its_size(present: int, inserted: int) -> None:
    orders = FakeOrders(present)
    growth.grow(cast("backlog.Orders", orders), 2_500)

    assert len(orders.inserted) == inserted


def test_inserted_orders_are_processed_and_belong_to_many_users() -> None:
    orders = FakeOrders(0)
    growth.grow(cast("backlog.Orders", orders), 2_000)

    check(orders.inserted[-1])
    assert all(order["status"] == "PROCESSED" and "outbox" not in order for order in orders.inserted)
    assert len({order["userid"] for order in orders.inserted}) == 1_000


def test_written_sizes_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "growth.json"
    assert growth.read(path) == {}

    growth.write({10_000: {"a new order": [SAMPLE]}}, path)
    assert growth.read(path) == {10_000: {"a new order": [SAMPLE]}}


def test_each_size_has_a_table() -> None:
    text = growth.text({1_000_000: {"a new order": [SAMPLE]}, 10_000: {"a new order": [SAMPLE]}})

    assert text.index("| 10,000 orders |") < text.index("| 1,000,000 orders |")
    assert text.count("| a new order | 180 | 5.0 | 10.0 | 300 | 100 | 50 | - |") == 2
