"""What the command says, as typed models: the tables are drawn from them, and `--json` writes them as they are.

Scripts rely on these names: a field may be added, none is renamed or removed without a major version. Times are
RFC 3339 in UTC, amounts decimal strings, what is not there is null.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct


class Change(Struct, frozen=True):
    """One entry of an order's history."""

    status: str
    at: datetime
    by: str | None
    reason: str | None


class Marker(Struct, frozen=True):
    """The outbox marker: there while the order's event is not known to be published."""

    due: datetime
    attempts: int
    claimed: bool


class Order(Struct, frozen=True):
    """An order as MongoDB holds it."""

    orderid: str
    userid: str
    status: str
    version: int
    cost: str
    currency: str
    orderitems: list[dict[str, Any]]
    placed_at: datetime
    processed_at: datetime | None
    idempotency_key: str | None
    outbox: Marker | None
    rearmed: int
    history: list[Change]


class Copy(Struct, frozen=True):
    """One copy of an order's event in the topic; `handled`: the group's committed offset has passed it."""

    topic: str
    partition: int
    offset: int
    published_at: datetime
    handled: bool


class DeadLetter(Struct, frozen=True):
    """One record of the dead-letter topic; `id` is its partition and offset there.

    `orderid` is the record's key, and so only a claim; `order_status` is null for an order that does not exist.
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
    """A dead letter with all that came with it; a value or header that is no UTF-8 is written in base64."""

    dead_letter: DeadLetter
    headers: list[tuple[str, str]]
    value: str | None
    encoding: str


class OrderReport(Struct, frozen=True):
    """`retail orders show`. `complete` is false when the topics could not be read to their ends; `trouble` says why."""

    order: Order
    events: list[Copy]
    dead_letters: list[DeadLetter]
    complete: bool
    trouble: str | None


class StuckOrder(Struct, frozen=True):
    """A PLACED order that should have left that status long ago, and what it waits for.

    `age_seconds` counts from when it last became PLACED: when it was placed, or redriven.
    """

    orderid: str
    userid: str
    placed_at: datetime
    age_seconds: int
    rearmed: int
    attempts: int | None
    waits_for: str


class StuckReport(Struct, frozen=True):
    """`retail orders stuck`: the oldest first; `more` tells that the limit cut the list."""

    orders: list[StuckOrder]
    more: bool


class ReconcileReport(Struct, frozen=True):
    """`retail orders reconcile`: `examined` orders waited without marker, and `rearmed` of them got it back (or would).

    `outcome` is `nothing to do`, `rearmed`, `refused` (MongoDB refuses what is left to do), or `undecided`: the group
    has still `lag` events to handle before the events of these orders can be called lost. `refused` orders could not
    be changed; `more` tells that the pass was full, so that there may be others.
    """

    dry_run: bool
    outcome: str
    examined: int
    rearmed: int
    lag: int
    refused: int
    more: bool


class FailedOrder(Struct, frozen=True):
    """An order in FAILED, and why."""

    orderid: str
    userid: str
    failed_at: datetime
    reason: str | None


class DeadLetters(Struct, frozen=True):
    """`retail dead-letters list`: broken events from the topic, and broken orders, each newest first."""

    events: list[DeadLetter]
    failed_orders: list[FailedOrder]
    more: bool
    trouble: str | None


class Redriven(Struct, frozen=True):
    """What became of one order: `redriven`, `would redrive`, `nothing to do`, `refused` or `unknown`."""

    orderid: str
    outcome: str
    detail: str


class RedriveReport(Struct, frozen=True):
    """`retail dead-letters redrive`."""

    dry_run: bool
    orders: list[Redriven]


class OutboxReport(Struct, frozen=True):
    """`retail outbox status`: orders whose event is not known to be published, by the database's clock.

    `due`: to be published now; `claimed`: in a replica's hands; `awaiting_processing`: published, not yet processed.
    """

    pending: int
    due: int
    claimed: int
    oldest_seconds: float | None
    most_attempts: int
    awaiting_processing: int


class Breaker(Struct, frozen=True):
    """One circuit breaker of one replica, with its counts since that process began."""

    breaker: str
    state: str
    ok: int
    failed: int
    rejected: int
    opened: int


class Replica(Struct, frozen=True):
    """One replica's breakers, or why they could not be asked."""

    name: str
    admin_url: str
    trouble: str | None
    breakers: list[Breaker]


class BreakersReport(Struct, frozen=True):
    """`retail breakers`."""

    replicas: list[Replica]
