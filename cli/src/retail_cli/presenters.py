"""Pure functions that build reports from documents and records.

In a malformed document, fields of a wrong type become null, bytes that are not UTF-8 are replaced by U+FFFD, and
`problems` lists both.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from retail_cli import reports
from retail_cli.document_check import find_problems, readable
from retail_cli.topics import Record
from shared.mongo import Document
from shared.ordering import dead_letter as records
from shared.ordering import money
from shared.ordering.transitions import STUCK_AFTER


def order(document: Document) -> reports.Order:
    """Convert an order's document."""
    return reports.Order(
        orderid=readable(str(document["_id"])),
        userid=_string(document.get("userid")),
        status=_string(document.get("status")),
        version=_whole(document.get("version")),
        cost=_amount(document.get("cost")),
        currency=_string(document.get("currency")),
        orderitems=[_item(item) for item in _entries(document.get("orderitems"))],
        placed_at=_moment(document.get("placed_at")),
        processed_at=_moment(document.get("processed_at")),
        idempotency_key=_string(_fields(document.get("idempotency")).get("key")),
        outbox=_outbox_entry(document.get("outbox")),
        rearmed=_whole(document.get("rearmed")) or 0,
        history=[_change(entry) for entry in _entries(document.get("history"))],
        problems=find_problems(document),
    )


def summary(document: Document) -> reports.OrderSummary:
    """Convert an order's document to an entry of a list."""
    return reports.OrderSummary(
        orderid=readable(str(document["_id"])),
        userid=_string(document.get("userid")),
        status=_string(document.get("status")),
        cost=_amount(document.get("cost")),
        currency=_string(document.get("currency")),
        placed_at=_moment(document.get("placed_at")),
        processed_at=_moment(document.get("processed_at")),
    )


def stuck(document: Document, now: datetime) -> reports.StuckOrder:
    """Convert the document of a PLACED order, and say what it waits for."""
    shown = order(document)
    since = shown.history[-1].at if shown.history else None
    attempts = shown.outbox.attempts if shown.outbox else None
    if shown.problems:
        waits_for = f"an operator: its document is malformed ({shown.problems[0]})"
    elif attempts is not None:
        waits_for = f"Kafka: its event is not published, {attempts} attempts"
    elif shown.rearmed >= STUCK_AFTER:
        waits_for = "an operator: its event was lost repeatedly, or no consumer can handle it"
    else:
        waits_for = "the processor: its event is published, but not handled"
    return reports.StuckOrder(
        orderid=shown.orderid,
        userid=shown.userid,
        placed_at=shown.placed_at,
        age_seconds=int((now - since).total_seconds()) if since else None,
        rearmed=shown.rearmed,
        attempts=attempts,
        waits_for=waits_for,
    )


def failed(document: Document) -> reports.FailedOrder:
    """Convert the document of a FAILED order; the last entry of its history contains the reason."""
    shown = order(document)
    last = shown.history[-1] if shown.history else reports.Change(None, None, None, None)
    return reports.FailedOrder(shown.orderid, shown.userid, last.at, last.reason)


def outbox(counts: Document) -> reports.OutboxReport:
    """Convert the counts of the outbox."""
    oldest = counts["oldest"]
    return reports.OutboxReport(
        pending=counts["pending"],
        due=counts["due"],
        claimed=counts["claimed"],
        oldest_seconds=None if oldest is None else round((counts["now"] - oldest).total_seconds(), 3),
        most_attempts=counts["most_attempts"] or 0,
        awaiting_processing=counts["awaiting_processing"],
    )


def order_id(record: Record) -> str | None:
    """Return the order id of a dead letter: the key of the record, or None if there is no key or it is not UTF-8."""
    try:
        return record.message.key.decode() if record.message.key else None
    except UnicodeDecodeError:
        return None


def dead_letter(record: Record, statuses: Mapping[str, str]) -> reports.DeadLetter:
    """Convert a dead letter; `statuses` has the status of each existing order by its id."""
    details = records.details(record.message.headers)
    key = order_id(record)
    size = _number(details.get("value_length")) if record.message.value is None else len(record.message.value)
    return reports.DeadLetter(
        id=f"{record.message.partition}:{record.message.offset}",
        orderid=key,
        order_status=statuses.get(key) if key else None,
        source=f"{details.get('topic', '?')} {details.get('partition', '?')}:{details.get('offset', '?')}",
        error=details.get("error_class", "?"),
        message=details.get("error_message", ""),
        attempts=_number(details.get("attempts")),
        first_failed_at=_parsed_moment(details.get("first_failure")),
        last_failed_at=_parsed_moment(details.get("last_failure")),
        size=size,
    )


def dead_letter_detail(record: Record, statuses: Mapping[str, str]) -> reports.DeadLetterDetail:
    """Convert a dead letter with its headers and value."""
    value, encoding = _text(record.message.value)
    headers = [(name, _text(value)[0] or "") for name, value in record.message.headers]
    return reports.DeadLetterDetail(dead_letter(record, statuses), headers, value, encoding)


def _outbox_entry(value: Any) -> reports.OutboxEntry | None:
    if value is None:
        return None
    entry = _fields(value)
    return reports.OutboxEntry(
        _moment(entry.get("due")), _whole(entry.get("attempts")), claimed=entry.get("claim") is not None
    )


def _change(value: Any) -> reports.Change:
    entry = _fields(value)
    return reports.Change(
        _string(entry.get("status")), _moment(entry.get("at")), _string(entry.get("by")), _string(entry.get("reason"))
    )


def _item(value: Any) -> dict[str, Any]:
    item = _fields(value)
    return {
        "item": _string(item.get("item")),
        "quantity": _whole(item.get("quantity", 1)),
        "price": _amount(item.get("price")),
    }


def _entries(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: Any) -> str | None:
    return readable(value) if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _amount(value: Any) -> str | None:
    minor = _whole(value)
    return None if minor is None else money.text(minor)


def _moment(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _parsed_moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _text(raw: bytes | None) -> tuple[str | None, str]:
    """Return bytes as text, and its encoding: `utf-8`, `base64`, or `none` if `raw` is None."""
    if raw is None:
        return None, "none"
    try:
        return raw.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode(), "base64"
