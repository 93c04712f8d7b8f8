"""Checks that an order's document read from MongoDB has the expected fields and types, and valid text."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from shared.ordering.status import Status

_Amount = Annotated[int, Meta(ge=0)]


class MalformedOrder(ValueError):  # noqa: N818 - read as a state of the order
    """The document of the order `order_id` has missing or wrong fields; the message says what is wrong."""

    def __init__(self, order_id: object, detail: str) -> None:
        super().__init__(detail)
        self.order_id = str(order_id).encode(errors="backslashreplace").decode()  # an id can be invalid UTF-8 as well


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
    """Raise MalformedOrder for a missing or wrong field, or a text that is not valid UTF-8 (see `mongo.connect`).

    The history may be absent: some reads leave it out.
    """
    order_id = document.get("_id")
    if not isinstance(order_id, str):
        raise MalformedOrder(order_id, "_id is not a string")
    try:
        msgspec.json.encode((order_id, msgspec.convert(document, _Order)))
    except msgspec.ValidationError as error:
        raise MalformedOrder(order_id, str(error)) from None
    except UnicodeEncodeError:
        raise MalformedOrder(order_id, "a text is not valid UTF-8") from None
