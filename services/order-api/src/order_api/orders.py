"""The rules of an order: pure functions, with time, ids and randomness as arguments."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from order_api.models import (
    HistoryEntry,
    ItemAnswer,
    OrderDetails,
    OrderItem,
    OrderRequest,
    OrderSummary,
    PlacedOrder,
)
from shared.ordering import money
from shared.ordering.events import Item, OrderPlaced
from shared.ordering.money import Amount

Document = dict[str, Any]

GRACE = timedelta(seconds=2)  # how long the fast path may take before the sweep looks after an order
RANDOM_BYTES = 10
_USERID = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
_KEY = re.compile(r"[\x21\x23-\x7e]{1,255}", re.ASCII)
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII
)  # W3C Trace Context
_CURSOR_VERSION = b"\x01"


class RefusedOrder(ValueError):  # noqa: N818 - read as a state of the order
    """A well-formed order that the rules refuse; `pointer` is the JSON pointer of the place."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


class BadKey(ValueError):  # noqa: N818
    """The Idempotency-Key has no valid form."""


class BadCursor(ValueError):  # noqa: N818
    """The cursor is none of ours."""


class Order(msgspec.Struct, frozen=True):
    """A checked order with its defaults filled in: what two requests must share to be the same one."""

    userid: str
    cost: Amount
    currency: str
    orderitems: tuple[OrderItem, ...]


def check(request: OrderRequest, currencies: Sequence[str]) -> Order:
    """Fill in the defaults and apply the rules between fields; raise RefusedOrder."""
    if not _USERID.fullmatch(request.userid):
        raise RefusedOrder("/userid", "must be a user's name: a-z 0-9 . _ @ + -, beginning with a letter or digit")
    currency = request.currency or currencies[0]
    if currency not in currencies:
        raise RefusedOrder("/currency", f"must be one of {', '.join(currencies)}")
    items = tuple(OrderItem(entry) if isinstance(entry, str) else entry for entry in request.orderitems)
    prices = [item.price * item.quantity for item in items if item.price is not None]
    if len(prices) == len(items) and sum(prices) != request.cost:
        raise RefusedOrder(
            "/cost", f"is {money.text(request.cost)}, but the items' prices sum to {money.text(sum(prices))}"
        )
    return Order(request.userid, request.cost, currency, items)


def fingerprint(order: Order) -> str:
    """Return what tells whether two requests with one Idempotency-Key are the same order.

    It is kept as long as the order: a field that comes later must not be in it while it has its default.
    """
    return hashlib.sha256(msgspec.json.encode(order, enc_hook=int)).hexdigest()


def new_id(now: datetime, randomness: bytes) -> str:
    """Return a UUIDv7 (RFC 9562): ordered by `now` in milliseconds, with 74 of the 80 random bits."""
    milliseconds = int(now.timestamp() * 1000)
    raw = bytearray(milliseconds.to_bytes(6, "big") + randomness)
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return str(UUID(bytes=bytes(raw)))


def document(
    order: Order, *, order_id: str, now: datetime, key: str | None = None, traceparent: str | None = None
) -> Document:
    """Build the order's document: order, event to publish and idempotency record in one.

    `now` must be whole milliseconds, which is what MongoDB keeps.
    """
    record: Document = {
        "_id": order_id,
        "userid": order.userid,
        "cost": int(order.cost),
        "currency": order.currency,
        "orderitems": [_item_record(item) for item in order.orderitems],
        "status": "PLACED",
        "version": 1,
        "placed_at": now,
        "processed_at": None,
        "history": [{"status": "PLACED", "at": now, "by": "order-api", "reason": None}],
        "outbox": {"due": now + GRACE, "attempts": 0, "claim": None, "traceparent": traceparent},
        "rearmed": 0,
    }
    if key is not None:
        record["idempotency"] = {"key": key, "fingerprint": fingerprint(order)}
    return record


def _item_record(item: OrderItem) -> Document:
    record: Document = {"item": item.item, "quantity": item.quantity}
    if item.price is not None:
        record["price"] = int(item.price)
    return record


def event(record: Document) -> OrderPlaced:
    """Return the event of an order's document."""
    return OrderPlaced(
        orderid=record["_id"],
        userid=record["userid"],
        cost=money.text(record["cost"]),
        currency=record["currency"],
        orderitems=[Item(line["item"], line["quantity"], _price(line)) for line in record["orderitems"]],
        placed_at=record["placed_at"],
    )


def placed(record: Document) -> PlacedOrder:
    """Return the answer to the POST that made `record`, whatever has become of the order since."""
    return PlacedOrder(**_fields(record) | {"status": "PLACED"})


def summary(record: Document) -> OrderSummary:
    """Return the order as it stands in a list."""
    return OrderSummary(**_fields(record), processed_at=record.get("processed_at"))


def details(record: Document) -> OrderDetails:
    """Return the whole order."""
    history = [HistoryEntry(e["status"], e["at"], e["by"], e.get("reason")) for e in record["history"]]
    return OrderDetails(**_fields(record), processed_at=record.get("processed_at"), history=history)


def _fields(record: Document) -> dict[str, Any]:
    return {
        "order_reference": record["_id"],
        "orderid": record["_id"],
        "userid": record["userid"],
        "status": record["status"],
        "cost": money.text(record["cost"]),
        "currency": record["currency"],
        "orderitems": [ItemAnswer(line["item"], line["quantity"], _price(line)) for line in record["orderitems"]],
        "placed_at": record["placed_at"],
    }


def _price(line: Document) -> str | None:
    return money.text(line["price"]) if line.get("price") is not None else None


def etag(order_id: str, version: int) -> str:
    """Return the entity tag's opaque part. It names the order, as one address can serve several (id in the body)."""
    return f"{order_id}.{version}"


def idempotency_key(header: str) -> str:
    """Return the key in an Idempotency-Key header, bare or quoted; raise BadKey."""
    text = header.strip(" \t")
    key = text[1:-1] if text[:1] == text[-1:] == '"' and text != '"' else text
    if not _KEY.fullmatch(key):
        raise BadKey("Idempotency-Key must be 1 to 255 visible ASCII characters, without quotes inside")
    return key


def traceparent(header: str | None) -> str | None:
    """Return the header's value if it is a valid trace context, else None: a bad one is ignored."""
    return header if header and _TRACEPARENT.fullmatch(header) else None


def encode_cursor(order_id: str) -> str:
    """Return the opaque cursor of the page after the order `order_id`."""
    return base64.urlsafe_b64encode(_CURSOR_VERSION + UUID(order_id).bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str:
    """Return the order id in a cursor; raise BadCursor for whatever `encode_cursor` did not make."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        order_id = str(UUID(bytes=raw[1:]))
    except (ValueError, binascii.Error):
        raise BadCursor("the cursor is none of ours") from None
    if raw[:1] != _CURSOR_VERSION or encode_cursor(order_id) != cursor:
        raise BadCursor("the cursor is none of ours")
    return order_id
