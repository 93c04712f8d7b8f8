"""The shape that an order's document must have to be shown, published or counted on."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from shared.ordering.status import Status

_Amount = Annotated[int, Meta(ge=0)]


class MalformedOrder(ValueError):  # noqa: N818 - read as a state of the order
    """The document `order_id` has another shape; the text says where."""

    def __init__(self, order_id: object, detail: str) -> None:
        super().__init__(detail)
        self.order_id = str(order_id)


class _Item(Struct):
    item: str
    quantity: Annotated[int, Meta(ge=1)]
    price: _Amount | None = None


class _Change(Struct):
    status: Status
    at: datetime
    by: str
    reason: str | None = None


class _Order(Struct):
    userid: str
    cost: _Amount
    currency: str
    orderitems: list[_Item]
    status: Status
    version: int
    placed_at: datetime
    processed_at: datetime | None = None
    history: Annotated[list[_Change], Meta(min_length=1)] | None = None


def check(document: dict[str, Any]) -> None:
    """Raise MalformedOrder for a document of another shape. It may have been read without its history."""
    order_id = document.get("_id")
    if not isinstance(order_id, str):
        raise MalformedOrder(order_id, "_id is not a string")
    try:
        msgspec.convert(document, _Order)
    except msgspec.ValidationError as error:
        raise MalformedOrder(order_id, str(error)) from None
