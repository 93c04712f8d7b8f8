"""The requests and responses of the HTTP API as types; the OpenAPI schemas are generated from them."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from shared.ordering.money import Amount
from shared.ordering.status import Status

STATUSES = tuple(Status)
ItemName = Annotated[str, Meta(min_length=1, max_length=200, description="the item's name")]
Quantity = Annotated[int, Meta(ge=1, le=10_000)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217")]
DecimalText = Annotated[str, Meta(pattern=r"^[0-9]{1,10}\.[0-9]{2}$", examples=["12.50"])]
Time = Annotated[datetime, Meta(tz=True)]


class OrderItem(Struct, forbid_unknown_fields=True, frozen=True):
    """One line of an order; `price` is per unit."""

    item: ItemName
    quantity: Quantity = 1
    price: Amount | None = None


class OrderRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of `POST /order`. An entry of `orderitems` that is a string means one unit of that item."""

    userid: Annotated[str, Meta(min_length=1, max_length=64)]
    cost: Amount
    orderitems: Annotated[list[ItemName | OrderItem], Meta(min_length=1, max_length=100)]
    currency: Currency | None = None


class OrderQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """The optional body of `GET /orderdetails`, from the original API: exactly one of the two fields."""

    orderid: str | UnsetType = UNSET
    userid: str | UnsetType = UNSET


class ItemResponse(Struct, frozen=True, omit_defaults=True):
    """One line of an order as stored."""

    item: str
    quantity: int
    price: DecimalText | None = None


class HistoryEntry(Struct, frozen=True):
    """One change of status: when it happened, which service or operator made it, and the reason."""

    status: Status
    at: Time
    by: str
    reason: str | None


class PlacedOrder(Struct, frozen=True, kw_only=True):
    """The response to `POST /order`. `orderid` and `order_reference` are the same string."""

    order_reference: str
    orderid: str
    userid: str
    status: Status
    cost: DecimalText
    currency: str
    orderitems: list[ItemResponse]
    placed_at: Time


class OrderSummary(PlacedOrder, frozen=True, kw_only=True):
    """An order in a list."""

    processed_at: Time | None


class OrderDetails(OrderSummary, frozen=True, kw_only=True):
    """An order by its id; `history` is oldest first, and its first entry is PLACED."""

    history: list[HistoryEntry]


class OrderPage(Struct, frozen=True):
    """A page of a user's orders, newest first; `next_cursor` is null on the last one.

    A page has at most `limit` orders and ends earlier at about 256 KiB: `next_cursor` alone shows that there are more.
    """

    items: list[OrderSummary]
    next_cursor: str | None


class EncodedPage(Struct, frozen=True):
    """An OrderPage whose orders are JSON already, because a page is limited by their size."""

    items: list[Raw]
    next_cursor: str | None
