"""Creating the collection's validator and indexes."""

from typing import Any

from pymongo import _csot

from shared.ordering import schema


class Orders:
    """A collection that records the time limit of each operation, in seconds."""

    name = "orders"

    def __init__(self) -> None:
        self.database = self
        self.limits: dict[str, float | None] = {}

    def create_collection(self, *_: Any, **__: Any) -> None:
        self.limits["create_collection"] = _csot.remaining()

    def create_indexes(self, _: Any) -> None:
        self.limits["create_indexes"] = _csot.remaining()


def test_only_index_builds_may_take_long() -> None:
    orders: Any = Orders()
    schema.ensure(orders)

    assert orders.limits["create_collection"] is None  # the client's own limit
    assert orders.limits["create_indexes"] > 500
