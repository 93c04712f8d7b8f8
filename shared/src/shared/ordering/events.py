"""The event from order-api to order-processor: CloudEvents 1.0 in Kafka's binary mode."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

TOPIC = "orders.placed"
DEAD_LETTER_TOPIC = "orders.placed.dlq"
GROUP = "order-processor"
# no consumer joins this group; its offsets mark the dead letters that a person has acknowledged
DEAD_LETTER_GROUP = "retail-dead-letters"
TYPE = "retail.order.placed.v1"
SOURCE = "/retail-orders/order-api"

Headers = list[tuple[str, bytes]]


class BrokenEvent(ValueError):  # noqa: N818 - read as a state of the event
    """The message is not an event of this system; the text says why."""


def _described(**keywords: Any) -> msgspec.Meta:
    """Add to the JSON schema what order-api guarantees. `decode` does not check it: old events may break new rules."""
    return msgspec.Meta(extra_json_schema=keywords)


Money = Annotated[str, _described(pattern=r"^[0-9]{1,10}\.[0-9]{2}$", examples=["12.50"])]


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an order; `price` is per unit, a decimal string or None."""

    item: Annotated[str, _described(minLength=1, maxLength=200, examples=["apple"])]
    quantity: Annotated[int, _described(minimum=1, maximum=10_000, examples=[2])] = 1
    price: Money | None = None


class OrderPlaced(msgspec.Struct, frozen=True):
    """The value of an `orders.placed` event. `cost` is a decimal string; unknown extra fields are accepted."""

    orderid: Annotated[str, _described(format="uuid", examples=["01a20f94-9f70-7201-8d8c-36253ae13b4d"])]
    userid: Annotated[str, _described(minLength=1, maxLength=64, examples=["alice"])]
    cost: Money
    currency: Annotated[str, _described(pattern="^[A-Z]{3}$", examples=["USD"])]
    orderitems: Annotated[list[Item], _described(minItems=1, maxItems=100)]
    placed_at: Annotated[datetime, msgspec.Meta(tz=True, examples=["2026-11-24T22:02:08.112000Z"])]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(OrderPlaced)


def encode(event: OrderPlaced, traceparent: str | None = None) -> tuple[bytes, bytes, Headers]:
    """Return key, value and headers of the message. All copies of an event have the same `ce_id`: order id and type."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": f"{event.orderid}:{TYPE}",
        "ce_source": SOURCE,
        "ce_type": TYPE,
        "ce_subject": event.orderid,
        "ce_time": event.placed_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "content-type": "application/json",
    }
    if traceparent:
        headers["traceparent"] = traceparent
    return event.orderid.encode(), _encoder.encode(event), [(name, text.encode()) for name, text in headers.items()]


def decode(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, Any]] | None) -> OrderPlaced:
    """Return the event in a message; raise BrokenEvent if the type, the key or the value is wrong."""
    kinds = [text for name, text in headers or () if name == "ce_type"]
    if kinds != [TYPE.encode()]:
        raise BrokenEvent(f"the header ce_type is not {TYPE}")
    if value is None:
        raise BrokenEvent("the message has no value")
    try:
        event = _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenEvent(f"the value is not an order: {error}") from None
    if key != event.orderid.encode():
        raise BrokenEvent("the key is not the order's id")
    return event
