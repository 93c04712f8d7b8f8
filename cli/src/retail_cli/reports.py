"""The reports of the commands, as typed models: tables are drawn from them, and `--json` writes them as they are.

Scripts rely on these names: a field may be added, none is renamed or removed without a major version. Times are RFC
3339 in UTC, amounts are decimal strings. A value that is absent, or that cannot be read from a malformed document, is
null.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct


class Change(Struct, frozen=True):
    """One entry of an order's history."""

    status: str | None
    at: datetime | None
    by: str | None
    reason: str | None


class OutboxEntry(Struct, frozen=True):
    """The order's outbox entry, which exists while its event is not known to be published."""

    due: datetime | None
    attempts: int | None
    claimed: bool


class Order(Struct, frozen=True):
    """An order as stored in MongoDB. `problems` says what is wrong with the document; it is empty for a valid one."""

    orderid: str
    userid: str | None
    status: str | None
    version: int | None
    cost: str | None
    currency: str | None
    orderitems: list[dict[str, Any]]
    placed_at: datetime | None
    processed_at: datetime | None
    idempotency_key: str | None
    outbox: OutboxEntry | None
    rearmed: int
    history: list[Change]
    problems: list[str]


class OrderSummary(Struct, frozen=True):
    """An order in a list."""

    orderid: str
    userid: str | None
    status: str | None
    cost: str | None
    currency: str | None
    placed_at: datetime | None
    processed_at: datetime | None


class OrderList(Struct, frozen=True):
    """`retail orders list`: newest first; `more`: there are more orders than the limit."""

    orders: list[OrderSummary]
    more: bool


class MalformedOrder(Struct, frozen=True):
    """A document that the services cannot handle, and why."""

    orderid: str
    problems: list[str]


class CheckReport(Struct, frozen=True):
    """`retail orders check`. `complete` is false if the time or the limit ended it; `more`: it was the limit."""

    orders: list[MalformedOrder]
    examined: int
    complete: bool
    more: bool


class EventCopy(Struct, frozen=True):
    """One copy of an order's event in the topic. `handled`: the group's committed offset is after this copy."""

    topic: str
    partition: int
    offset: int
    published_at: datetime
    handled: bool


class DeadLetter(Struct, frozen=True):
    """One record of the dead-letter topic; `id` is its partition and offset there.

    `orderid` is the record's key, unchecked; `order_status` is null for an order that does not exist.
    """

    id: str
    orderid: str | None
    order_status: str | None
    source: str
    error: str
    message: str
    attempts: int | None
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    size: int | None


class DeadLetterDetail(Struct, frozen=True):
    """A dead letter with its headers and value; bytes that are not UTF-8 are written in base64."""

    dead_letter: DeadLetter
    headers: list[tuple[str, str]]
    value: str | None
    encoding: str


class OrderReport(Struct, frozen=True):
    """`retail orders show`. `complete` is false if the topics could not be searched completely; `trouble` says why."""

    order: Order
    events: list[EventCopy]
    dead_letters: list[DeadLetter]
    complete: bool
    trouble: str | None


class StuckOrder(Struct, frozen=True):
    """A PLACED order that needs attention, and what it waits for.

    `age_seconds` counts from when it last became PLACED: when it was placed, or redriven.
    """

    orderid: str
    userid: str | None
    placed_at: datetime | None
    age_seconds: int | None
    rearmed: int
    attempts: int | None
    waits_for: str


class StuckReport(Struct, frozen=True):
    """`retail orders stuck`: oldest first; `more`: there are more orders than the limit."""

    orders: list[StuckOrder]
    more: bool


class ReconcileReport(Struct, frozen=True):
    """`retail orders reconcile`: `examined` orders had no outbox entry; `rearmed` of them were, or would be, requeued.

    `outcome` is `nothing to do`, `rearmed` (requeued), `refused` (MongoDB rejected updates, and none was made), or
    `undecided`: the group still has `lag` events to handle before the events of these orders count as lost. The field
    `refused` counts the orders whose update MongoDB rejected. `more`: the pass was full, so there may be more orders.
    """

    dry_run: bool
    outcome: str
    examined: int
    rearmed: int
    lag: int
    refused: int
    more: bool


class FailedOrder(Struct, frozen=True):
    """A FAILED order, and why it failed."""

    orderid: str
    userid: str | None
    failed_at: datetime | None
    reason: str | None


class DeadLetters(Struct, frozen=True):
    """`retail dead-letters list`: the dead letters and the FAILED orders, each newest first."""

    events: list[DeadLetter]
    failed_orders: list[FailedOrder]
    more: bool
    trouble: str | None


EVENT_QUEUED = "PLACED, event queued"  # the detail of an order after `redrive` or `include`


class OrderOutcome(Struct, frozen=True):
    """The outcome for one order: `redriven`, `would redrive`, `nothing to do`, `refused` or `unknown`.

    `retail orders include` has `included` and `would include` instead of the first two.
    """

    orderid: str
    outcome: str
    detail: str


class OutcomeReport(Struct, frozen=True):
    """The report of `retail dead-letters redrive` and of `retail orders include`."""

    dry_run: bool
    orders: list[OrderOutcome]


class OutboxReport(Struct, frozen=True):
    """`retail outbox status`: `pending` orders have an event that is not known to be published.

    Of these, `due` are to be published now, and `claimed` are being published by a replica. `oldest_seconds` is the
    greatest age by the database's clock. `awaiting_processing` orders have a published event, but are not processed.
    """

    pending: int
    due: int
    claimed: int
    oldest_seconds: float | None
    most_attempts: int
    awaiting_processing: int


class Breaker(Struct, frozen=True):
    """One circuit breaker of one replica, with its counts since the replica started."""

    breaker: str
    state: str
    ok: int
    failed: int
    rejected: int
    opened: int


class Replica(Struct, frozen=True):
    """One replica's breakers, or why they could not be read."""

    name: str
    admin_url: str
    trouble: str | None
    breakers: list[Breaker]


class BreakersReport(Struct, frozen=True):
    """The report of `retail breakers`."""

    replicas: list[Replica]
