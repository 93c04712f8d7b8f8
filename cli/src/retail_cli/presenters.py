"""From documents to shapes: pure."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from retail_cli.reports import (
    Change,
    DeadLetter,
    DeadLetterDetail,
    FailedOrder,
    Marker,
    Order,
    OutboxReport,
    StuckOrder,
)
from retail_cli.topics import Record
from shared.mongo import Document
from shared.ordering import money
from shared.ordering.dead_letter import details
from shared.ordering.transitions import STUCK_AFTER


def order(document: Document) -> Order:
    """Show an order's document."""
    marker = document.get("outbox")
    return Order(
        orderid=document["_id"],
        userid=document["userid"],
        status=document["status"],
        version=document["version"],
        cost=money.text(document["cost"]),
        currency=document["currency"],
        orderitems=[_item(item) for item in document["orderitems"]],
        placed_at=document["placed_at"],
        processed_at=document.get("processed_at"),
        idempotency_key=(document.get("idempotency") or {}).get("key"),
        outbox=Marker(marker["due"], marker.get("attempts", 0), marker.get("claim") is not None) if marker else None,
        rearmed=document.get("rearmed", 0),
        history=[Change(h["status"], h["at"], h.get("by"), h.get("reason")) for h in document["history"]],
    )


def stuck(document: Document, now: datetime) -> StuckOrder:
    """Show a PLACED order, and say what it waits for."""
    rearmed = document.get("rearmed", 0)
    attempts = document["outbox"].get("attempts", 0) if "outbox" in document else None
    if attempts is not None:
        waits_for = f"Kafka: its event is not published, {attempts} attempts"
    elif rearmed >= STUCK_AFTER:
        waits_for = "a cure: its event is lost again and again, or no consumer can handle it"
    else:
        waits_for = "the processor: its event is published, and not handled"
    return StuckOrder(
        orderid=document["_id"],
        userid=document["userid"],
        placed_at=document["placed_at"],
        age_seconds=int((now - document["history"][-1]["at"]).total_seconds()),
        rearmed=rearmed,
        attempts=attempts,
        waits_for=waits_for,
    )


def failed(document: Document) -> FailedOrder:
    """Show a FAILED order by the entry of its history that says why."""
    last = document["history"][-1]
    return FailedOrder(document["_id"], document["userid"], last["at"], last.get("reason"))


def outbox(counts: Document) -> OutboxReport:
    """Show the outbox's counts."""
    oldest = counts["oldest"]
    return OutboxReport(
        pending=counts["pending"],
        due=counts["due"],
        claimed=counts["claimed"],
        oldest_seconds=None if oldest is None else round((counts["now"] - oldest).total_seconds(), 3),
        most_attempts=counts["most_attempts"] or 0,
        awaiting_processing=counts["awaiting_processing"],
    )


def orderid(record: Record) -> str | None:
    """Return the order that a dead letter claims to be about: its key, if that is text."""
    try:
        return record.message.key.decode() if record.message.key else None
    except UnicodeDecodeError:
        return None


def dead_letter(record: Record, statuses: Mapping[str, str]) -> DeadLetter:
    """Show a dead letter; `statuses` holds those of the orders that exist."""
    said = details(record.message.headers)
    claimed = orderid(record)
    return DeadLetter(
        id=f"{record.message.partition}:{record.message.offset}",
        orderid=claimed,
        order_status=statuses.get(claimed) if claimed else None,
        source=f"{said.get('topic', '?')} {said.get('partition', '?')}:{said.get('offset', '?')}",
        error=said.get("error_class", "?"),
        message=said.get("error_message", ""),
        attempts=_number(said.get("attempts")),
        first_failed_at=_moment(said.get("first_failure")),
        last_failed_at=_moment(said.get("last_failure")),
        size=_number(said.get("value_length")) if record.message.value is None else len(record.message.value),
    )


def dead_letter_detail(record: Record, statuses: Mapping[str, str]) -> DeadLetterDetail:
    """Show a dead letter with its headers and value."""
    value, encoding = _text(record.message.value)
    headers = [(name, _text(value)[0] or "") for name, value in record.message.headers]
    return DeadLetterDetail(dead_letter(record, statuses), headers, value, encoding)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _text(raw: bytes | None) -> tuple[str | None, str]:
    """Return bytes as text and the encoding that it is in."""
    if raw is None:
        return None, "none"
    try:
        return raw.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode(), "base64"


def _item(item: dict[str, Any]) -> dict[str, Any]:
    price = item.get("price")
    return {"item": item["item"], "quantity": item.get("quantity", 1), "price": price and money.text(price)}
