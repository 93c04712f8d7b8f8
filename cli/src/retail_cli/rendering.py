"""What a person sees: the shapes drawn as tables.

Whatever came from outside is shown with its control characters spelled out, so that no item's name or poison event can
write to the terminal.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from retail_cli import reports as shapes

STATUS_STYLES = {
    "PLACED": "yellow",
    "PROCESSED": "green",
    "FAILED": "red",
    "closed": "green",
    "half_open": "yellow",
    "open": "red",
    "away": "red",
    "redriven": "green",
    "would redrive": "yellow",
    "refused": "red",
    "unknown": "yellow",
}
Lines = Iterable[Table | Text]


def order(report: shapes.OrderReport) -> Lines:
    """Draw an order: document, items, history, event, dead letters."""
    o = report.order
    yield _line(f"Order {o.orderid}  ", o.status)
    marker = "none: the event is published"
    if o.outbox:
        marker = f"due {when(o.outbox.due)}, {o.outbox.attempts} attempts{', claimed' if o.outbox.claimed else ''}"
    yield _pairs(
        ("user", o.userid),
        ("cost", f"{o.cost} {o.currency}"),
        ("placed", when(o.placed_at)),
        ("processed", when(o.processed_at)),
        ("version", o.version),
        ("idempotency key", o.idempotency_key),
        ("outbox marker", marker if o.status == "PLACED" or o.outbox else None),
        ("marker given back", f"{o.rearmed} times" if o.rearmed else None),
    )
    yield _table(
        "Items",
        ["item", "quantity", "price"],
        [[i.get(k) for k in ("item", "quantity", "price")] for i in o.orderitems],
    )
    yield _table(
        "History", ["status", "at", "by", "reason"], [[c.status, when(c.at), c.by, c.reason] for c in o.history]
    )
    if report.events or report.complete:
        yield _table(
            "Event in the topic",
            ["topic", "partition", "offset", "published", "handled"],
            [
                [e.topic, e.partition, e.offset, when(e.published_at), "yes" if e.handled else "not yet"]
                for e in report.events
            ],
        )
    if report.dead_letters:
        yield _dead_letters(report.dead_letters)


def stuck(report: shapes.StuckReport) -> Lines:
    """Draw the stuck orders."""
    yield _table(
        "Stuck orders",
        ["order", "user", "placed", "age", "marker given back", "waits for"],
        [[s.orderid, s.userid, when(s.placed_at), f"{s.age_seconds} s", s.rearmed, s.waits_for] for s in report.orders],
    )
    yield from _more(more=report.more)


def reconcile(report: shapes.ReconcileReport) -> Lines:
    """Draw the outcome of a pass of reconciliation."""
    yield Text(f"Reconciliation{' (dry run)' if report.dry_run else ''}: {report.outcome}", style="bold")
    yield _pairs(
        ("orders without marker", report.examined),
        ("would get it back" if report.dry_run else "got it back", report.rearmed),
        ("refused by MongoDB", report.refused or None),
        ("events still to be handled", report.lag),
    )
    if report.more:
        yield Text("The pass was full: there may be more orders. Repeat the command for the others.", style="yellow")


def dead_letters(report: shapes.DeadLetters) -> Lines:
    """Draw broken events and broken orders."""
    yield _dead_letters(report.events)
    yield _table(
        "Failed orders",
        ["order", "user", "failed", "reason"],
        [[f.orderid, f.userid, when(f.failed_at), f.reason] for f in report.failed_orders],
    )
    yield from _more(more=report.more)


def dead_letter(detail: shapes.DeadLetterDetail) -> Lines:
    """Draw one dead letter with its headers and value."""
    letter = detail.dead_letter
    yield Text(f"Dead letter {letter.id}", style="bold")
    yield _pairs(
        ("order", letter.orderid),
        ("order's status", letter.order_status or "no such order"),
        ("came from", letter.source),
        ("error", letter.error),
        ("message", letter.message),
        ("attempts", letter.attempts),
        ("first failed", when(letter.first_failed_at)),
        ("last failed", when(letter.last_failed_at)),
    )
    yield _table("Headers", ["header", "value"], detail.headers)
    yield Text(f"\nValue ({detail.encoding})", style="bold")
    yield Text("  none" if detail.value is None else clean(detail.value))


def redriven(report: shapes.RedriveReport) -> Lines:
    """Draw what became of each order."""
    yield _table("Redrive", ["order", "outcome", "detail"], [[r.orderid, r.outcome, r.detail] for r in report.orders])


def outbox(report: shapes.OutboxReport) -> Lines:
    """Draw the outbox."""
    yield Text("Outbox", style="bold")
    yield _pairs(
        ("pending", report.pending),
        ("due now", report.due),
        ("claimed", report.claimed),
        ("oldest", "-" if report.oldest_seconds is None else f"{report.oldest_seconds:.1f} s"),
        ("most attempts", report.most_attempts),
        ("published, not yet processed", report.awaiting_processing),
    )


def breakers(report: shapes.BreakersReport) -> Lines:
    """Draw every replica's breakers."""
    rows: list[list[Any]] = []
    for replica in report.replicas:
        if replica.trouble:
            rows.append([replica.name, "", "away", "", "", "", "", replica.trouble])
        elif not replica.breakers:
            rows.append([replica.name, "none", "", "", "", "", "", ""])
        rows += [[replica.name, b.breaker, b.state, b.ok, b.failed, b.rejected, b.opened, ""] for b in replica.breakers]
    yield _table(
        "Circuit breakers", ["replica", "breaker", "state", "ok", "failed", "rejected", "opened", "trouble"], rows
    )


def when(moment: datetime | None) -> str | None:
    """Write a moment in UTC to the millisecond."""
    return moment.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z") if moment else None


def clean(text: str) -> str:
    """Spell out what is not printable, such as the escape that begins a terminal's commands."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _dead_letters(letters: Sequence[shapes.DeadLetter]) -> Table | Text:
    return _table(
        "Dead letters",
        ["id", "order", "order's status", "came from", "error", "message", "last failed"],
        [[d.id, d.orderid, d.order_status, d.source, d.error, d.message, when(d.last_failed_at)] for d in letters],
    )


def _more(*, more: bool) -> Lines:
    if more:
        yield Text("There are more: raise --limit to see them.", style="yellow")


def _line(label: str, status: str) -> Text:
    return Text.assemble((clean(label), "bold"), _cell(status))


def _cell(value: Any) -> Text:
    if value is None or value == "":
        return Text("-" if value is None else "", style="dim")
    return Text(clean(str(value)), style=STATUS_STYLES.get(str(value), ""))


def _pairs(*pairs: tuple[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2), pad_edge=True)
    for label, value in pairs:
        if value is not None:
            grid.add_row(Text(label, style="dim"), _cell(value))
    return grid


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table | Text:
    if not rows:
        return Text.assemble((f"\n{title}", "bold"), ": none")
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in {"id", "order"})  # to be copied whole
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table
