"""The rules of an order: pure functions that get time, ids and randomness as arguments."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from order_api import item_names
from order_api.models import OrderItem, OrderRequest
from shared import usernames
from shared.ordering import money, outbox_entry
from shared.ordering.document import check
from shared.ordering.events import Item, OrderPlaced
from shared.ordering.money import Amount
from shared.telemetry import trace_context

Document = dict[str, Any]

# How long the fast path and order-processor may take before the sweep publishes the event. In the last 3 s, `removal`
# removes the entry if the event was delivered.
GRACE = timedelta(seconds=5)
RANDOM_BYTES = 10


class OrderRejected(ValueError):  # noqa: N818 - a state of the order
    """A well-formed order that breaks a rule; `pointer` is the JSON pointer of the field."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


class Order(msgspec.Struct, frozen=True):
    """An order with its defaults filled in. Equal orders have equal fingerprints."""

    userid: str
    cost: Amount
    currency: str
    orderitems: tuple[OrderItem, ...]


def as_sent(request: OrderRequest, currencies: Sequence[str]) -> Order:
    """Return the order with its defaults filled in; the text is not normalized and no rule is checked.

    Versions up to 0.1.0 stored the fingerprint of this form.
    """
    items = tuple(OrderItem(entry) if isinstance(entry, str) else entry for entry in request.orderitems)
    return Order(request.userid, request.cost, request.currency or currencies[0], items)


def validate(request: OrderRequest, currencies: Sequence[str]) -> Order:
    """Fill in the defaults, normalize the text and apply the rules; raise OrderRejected."""
    order = as_sent(request, currencies)
    if not usernames.is_username(order.userid):
        raise OrderRejected("/userid", f"must be {usernames.RULE}")
    if order.currency not in currencies:
        raise OrderRejected("/currency", f"must be one of {', '.join(currencies)}")
    prices = [item.price * item.quantity for item in order.orderitems if item.price is not None]
    if len(prices) == len(order.orderitems) and sum(prices) != order.cost:
        raise OrderRejected(
            "/cost", f"is {money.text(order.cost)}, but the items' prices sum to {money.text(sum(prices))}"
        )
    return msgspec.structs.replace(order, orderitems=tuple(_normalized_items(request)))


def _normalized_items(request: OrderRequest) -> Iterator[OrderItem]:
    for number, entry in enumerate(request.orderitems):
        pointer, item = f"/orderitems/{number}", entry
        if isinstance(item, str):
            item = OrderItem(item)
        else:
            pointer += "/item"
        try:
            name = item_names.normalize(item.item)
        except ValueError as error:
            raise OrderRejected(pointer, str(error)) from None
        yield msgspec.structs.replace(item, item=name)


def fingerprint(order: Order) -> str:
    """Return a digest of the order, which is stored with it.

    A request with a used Idempotency-Key is a replay if its order has the stored digest. A field that is added to
    `Order` later must not change the digest while the field has its default value.
    """
    return hashlib.sha256(msgspec.json.encode(order, enc_hook=int)).hexdigest()


def new_id(now: datetime, randomness: bytes) -> str:
    """Return a UUIDv7 (RFC 9562): `now` in milliseconds, then 74 of the 80 bits of `randomness`."""
    milliseconds = int(now.timestamp() * 1000)
    raw = bytearray(milliseconds.to_bytes(6, "big") + randomness)
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return str(UUID(bytes=bytes(raw)))


def build_document(
    order: Order, *, order_id: str, now: datetime, key: str | None = None, traceparent: str | None = None
) -> Document:
    """Return one document with the order, its outbox entry and, if there is a key, its idempotency record.

    `now` must be whole milliseconds, which is the precision of MongoDB. `traceparent` is stored twice: in the order,
    which keeps it, and in the outbox entry, where replicas of earlier releases look for it.
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
        "outbox": outbox_entry.new(now + GRACE, traceparent),
        "rearmed": 0,
    }
    if key is not None:
        record["idempotency"] = {"key": key, "fingerprint": fingerprint(order)}
    if traceparent is not None:
        record["traceparent"] = traceparent
    return record


def _item_record(item: OrderItem) -> Document:
    record: Document = {"item": item.item, "quantity": item.quantity}
    if item.price is not None:
        record["price"] = int(item.price)
    return record


def build_event(record: Document) -> OrderPlaced:
    """Return the event of an order's document; raise MalformedOrder."""
    check(record)
    return OrderPlaced(
        orderid=record["_id"],
        userid=record["userid"],
        cost=money.text(record["cost"]),
        currency=record["currency"],
        orderitems=[Item(line["item"], line["quantity"], price_text(line)) for line in record["orderitems"]],
        placed_at=record["placed_at"],
    )


def traceparent_of(record: Document) -> str | None:
    """Return the trace context in which the order was placed. Earlier releases stored it only in the outbox entry.

    A malformed text is ignored. A value of another type in the outbox entry is returned as it is: `events.encode` then
    fails.
    """
    earlier = record["outbox"].get("traceparent")
    if isinstance(earlier, str):
        earlier = trace_context.parse(earlier)
    return trace_context.parse(record.get("traceparent")) or earlier


def price_text(line: Document) -> str | None:
    """Return the price of a stored item as a decimal string, or None if the item has no price."""
    return money.text(line["price"]) if line.get("price") is not None else None
