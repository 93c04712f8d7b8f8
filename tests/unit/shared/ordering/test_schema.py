"""Making the collection's indexes."""

from typing import Any

from pymongo import _csot

from shared.ordering import schema


class Orders:
    """A collection that notes how long each of its operations may take, in seconds."""

    name = "orders"

    def __init__(self) -> None:
        self.database = self
        self.limits: dict[str, float | None] = {}

    def create_collection(self, *_: Any, **__: Any) -> None:
        self.limits["create_collection"] = _csot.remaining()

    def create_indexes(self, _: Any) -> None:
        self.limits["create_indexes"] = _csot.remaining()


def test_an_index_over_many_orders_may_take_long_to_build_and_nothing_else_may() -> None:
    orders: Any = Orders()
    schema.ensure(orders)

    assert orders.limits["create_collection"] is None  # the client's own limit
    assert orders.limits["create_indexes"] > 500
