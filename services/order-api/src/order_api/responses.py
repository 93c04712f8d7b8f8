"""Pure functions that convert an order's document to the types of the responses."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import msgspec

from order_api.models import HistoryEntry, ItemResponse, OrderDetails, OrderSummary, PlacedOrder
from order_api.orders import Document, price_text
from shared.ordering import money
from shared.ordering.document import MalformedOrder, check

PAGE_BYTES = 256 * 1024  # a page ends before the order that would make it larger; the first order is always included


def to_placed(record: Document) -> PlacedOrder:
    """Return the response to the POST that stored `record`, whatever the status is now; raise MalformedOrder."""
    return PlacedOrder(**_fields(record) | {"status": "PLACED"})


def to_details(record: Document) -> OrderDetails:
    """Return the order with its history; raise MalformedOrder."""
    fields = _fields(record)
    history = [HistoryEntry(e["status"], e["at"], _role(e["by"]), e.get("reason")) for e in record.get("history") or ()]
    return OrderDetails(**fields, processed_at=record.get("processed_at"), history=history)


def to_summary(record: Document) -> OrderSummary:
    """Return the order as a list shows it, without its history; raise MalformedOrder."""
    return OrderSummary(**_fields(record), processed_at=record.get("processed_at"))


def to_page(
    records: Iterable[Document], limit: int, on_malformed: Callable[[MalformedOrder], None]
) -> tuple[list[msgspec.Raw], str | None]:
    """Return the orders of one page as JSON, and the id after which the next page starts, or None on the last page.

    `records` are `limit` + 1 at most. A page has at most `limit` orders and at most 256 KiB, but it always has
    the first order. The first order that does not fit is the last that is read from `records`. Malformed orders are
    passed to `on_malformed` and left out.
    """
    page: list[msgspec.Raw] = []
    last, size, consumed = "", 0, 0
    for record in records:
        consumed += 1
        try:
            encoded = msgspec.json.encode(to_summary(record))
        except MalformedOrder as error:
            on_malformed(error)
            if _is_order_id(error.order_id):
                last = error.order_id
            continue
        size += len(encoded)
        if len(page) == limit or (page and size > PAGE_BYTES):
            return page, last
        page.append(msgspec.Raw(encoded))
        last = record["_id"]
    return page, last if last and consumed > limit else None


def _fields(record: Document) -> dict[str, Any]:
    check(record)
    return {
        "order_reference": record["_id"],
        "orderid": record["_id"],
        "userid": record["userid"],
        "status": record["status"],
        "cost": money.text(record["cost"]),
        "currency": record["currency"],
        "orderitems": [ItemResponse(line["item"], line["quantity"], price_text(line)) for line in record["orderitems"]],
        "placed_at": record["placed_at"],
    }


def _role(by: str) -> str:
    """Return who changed an order. Buyers see `operator:NAME` as `operator`."""
    return by.partition(":")[0]


def _is_order_id(text: str) -> bool:
    """Return whether a text has the form of an order's id."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
