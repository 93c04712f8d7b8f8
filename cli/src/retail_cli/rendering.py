"""Draws reports as tables for the terminal.

Text from outside is shown with its control characters escaped, so that neither an item's name nor a poison event can
control the terminal.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from retail_cli import reports

STATUS_STYLES = {
    "PLACED": "yellow",
    "PROCESSED": "green",
    "FAILED": "red",
    "closed": "green",
    "half_open": "yellow",
    "open": "red",
    "unreachable": "red",
    "redriven": "green",
    "would redrive": "yellow",
    "included": "green",
    "would include": "yellow",
    "refused": "red",
    "unknown": "yellow",
}
Lines = Iterable[Table | Text]


def order(report: reports.OrderReport) -> Lines:
    """Draw an order: document, problems, items, history, event, dead letters."""
    o = report.order
    yield _line(f"Order {o.orderid}  ", o.status or "?")
    entry = "none: the event is published"
    if o.outbox:
        claimed = ", claimed" if o.outbox.claimed else ""
        entry = f"due {when(o.outbox.due) or '?'}, {o.outbox.attempts} attempts{claimed}"
    yield _pairs(
        ("user", o.userid),
        ("cost", _amount(o)),
        ("placed", when(o.placed_at)),
        ("processed", when(o.processed_at)),
        ("version", o.version),
        ("idempotency key", o.idempotency_key),
        ("outbox entry", entry if o.status == "PLACED" or o.outbox else None),
        ("requeued", f"{o.rearmed} times" if o.rearmed else None),
    )
    if o.problems:
        yield table("Malformed document", ["problem"], [[problem] for problem in o.problems])
    yield table(
        "Items",
        ["item", "quantity", "price"],
        [[i.get(k) for k in ("item", "quantity", "price")] for i in o.orderitems],
    )
    yield table(
        "History", ["status", "at", "by", "reason"], [[c.status, when(c.at), c.by, c.reason] for c in o.history]
    )
    if report.events or report.complete:
        yield table(
            "Event in the topic",
            ["topic", "partition", "offset", "published", "handled"],
            [
                [e.topic, e.partition, e.offset, when(e.published_at), "yes" if e.handled else "not yet"]
                for e in report.events
            ],
        )
    if report.dead_letters:
        yield _dead_letters(report.dead_letters)


def orders(report: reports.OrderList) -> Lines:
    """Draw a list of orders."""
    rows = [[o.orderid, o.userid, o.status, _amount(o), when(o.placed_at), when(o.processed_at)] for o in report.orders]
    yield table("Orders", ["order", "user", "status", "cost", "placed", "processed"], rows)
    yield from _more(more=report.more)


def check(report: reports.CheckReport) -> Lines:
    """Draw the malformed orders, one problem per row."""
    rows = [[order.orderid, problem] for order in report.orders for problem in order.problems]
    yield table("Malformed orders", ["order", "problem"], rows)
    yield Text(f"\n{report.examined:,} orders examined")
    yield from _more(more=report.more)


def stuck(report: reports.StuckReport) -> Lines:
    """Draw the stuck orders."""
    yield table(
        "Stuck orders",
        ["order", "user", "placed", "age", "requeued", "waits for"],
        [
            [s.orderid, s.userid, when(s.placed_at), _seconds(s.age_seconds), s.rearmed, s.waits_for]
            for s in report.orders
        ],
    )
    yield from _more(more=report.more)


def reconcile(report: reports.ReconcileReport) -> Lines:
    """Draw the outcome of a pass of reconciliation."""
    outcome = "requeued" if report.outcome == "rearmed" else report.outcome
    yield Text(f"Reconciliation{' (dry run)' if report.dry_run else ''}: {outcome}", style="bold")
    yield _pairs(
        ("orders without outbox entry", report.examined),
        ("would be requeued" if report.dry_run else "requeued", report.rearmed),
        ("rejected by MongoDB", report.refused or None),
        ("events not yet handled", report.lag),
    )
    if report.more:
        yield Text("The pass was full, so there may be more orders: repeat the command.", style="yellow")


def dead_letters(report: reports.DeadLetters) -> Lines:
    """Draw the dead letters and the FAILED orders."""
    yield _dead_letters(report.events)
    yield table(
        "Failed orders",
        ["order", "user", "failed", "reason"],
        [[f.orderid, f.userid, when(f.failed_at), f.reason] for f in report.failed_orders],
    )
    yield from _more(more=report.more)


def dead_letter(detail: reports.DeadLetterDetail) -> Lines:
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
    yield table("Headers", ["header", "value"], detail.headers)
    yield Text(f"\nValue ({detail.encoding})", style="bold")
    yield Text("  none" if detail.value is None else escape(detail.value))


def outcomes(report: reports.OutcomeReport, *, title: str) -> Lines:
    """Draw the outcome for each order."""
    yield table(title, ["order", "outcome", "detail"], [[r.orderid, r.outcome, r.detail] for r in report.orders])


def outbox(report: reports.OutboxReport) -> Lines:
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


def breakers(report: reports.BreakersReport) -> Lines:
    """Draw every replica's breakers."""
    rows: list[list[Any]] = []
    for replica in report.replicas:
        if replica.trouble:
            rows.append([replica.name, "", "unreachable", "", "", "", "", replica.trouble])
        elif not replica.breakers:
            rows.append([replica.name, "none", "", "", "", "", "", ""])
        rows += [[replica.name, b.breaker, b.state, b.ok, b.failed, b.rejected, b.opened, ""] for b in replica.breakers]
    yield table(
        "Circuit breakers", ["replica", "breaker", "state", "ok", "failed", "rejected", "opened", "trouble"], rows
    )


def when(moment: datetime | None) -> str | None:
    """Return a moment as text, in UTC to the millisecond; None for None."""
    return moment.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z") if moment else None


def escape(text: str) -> str:
    """Escape characters that are not printable, such as the one that starts a control sequence of a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _amount(order: reports.Order | reports.OrderSummary) -> str | None:
    return f"{order.cost} {order.currency}" if order.cost else None


def _seconds(seconds: int | None) -> str | None:
    return None if seconds is None else f"{seconds} s"


def _dead_letters(letters: Sequence[reports.DeadLetter]) -> Table | Text:
    return table(
        "Dead letters",
        ["id", "order", "order's status", "came from", "error", "message", "last failed"],
        [[d.id, d.orderid, d.order_status, d.source, d.error, d.message, when(d.last_failed_at)] for d in letters],
    )


def _more(*, more: bool) -> Lines:
    if more:
        yield Text("There are more: raise --limit to see them.", style="yellow")


def _line(label: str, status: str) -> Text:
    return Text.assemble((escape(label), "bold"), _cell(status))


def _cell(value: Any) -> Text:
    if value is None or value == "":
        return Text("-" if value is None else "", style="dim")
    return Text(escape(str(value)), style=STATUS_STYLES.get(str(value), ""))


def _pairs(*pairs: tuple[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2), pad_edge=True)
    for label, value in pairs:
        if value is not None:
            grid.add_row(Text(label, style="dim"), _cell(value))
    return grid


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table | Text:
    """Draw a table; without rows one line that says `none`."""
    if not rows:
        return Text.assemble((f"\n{title}", "bold"), ": none")
    drawn = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for column in columns:
        # an id stays on one line, so that it can be copied
        drawn.add_column(column, overflow="fold", no_wrap=column in {"id", "order"})
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    return drawn
