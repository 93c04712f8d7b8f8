"""`retail orders`: one order with all that is known of it, the stuck ones, and reconciliation by hand."""

from datetime import timedelta
from typing import Annotated

import typer

from retail_cli import presenters as views
from retail_cli import rendering as tables
from retail_cli.reconciling import one_pass
from retail_cli.reports import OrderReport, StuckReport
from retail_cli.session import Code, Json, Refused, Session, say, warn
from retail_cli.topics import KafkaAway

DEAD_LETTERS_SEARCHED = 10_000

app = typer.Typer(help="Orders: show one, find the stuck ones, give lost events back.", no_args_is_help=True)


@app.command()
def show(
    context: typer.Context,
    orderid: Annotated[str, typer.Argument(metavar="ID", help="The order's id (its reference).")],
    as_json: Json = False,
) -> None:
    """Show an order: its document and history, its event and offset in the topic, its dead letters."""
    session: Session = context.obj
    document = session.orders.find(orderid)
    if document is None:
        raise Refused(f"there is no order {orderid}")
    order = views.order(document)
    trouble: str | None
    try:
        events = session.topics.events(orderid, order.placed_at)
        letters = session.topics.dead_letters(DEAD_LETTERS_SEARCHED, orderid)
    except KafkaAway as error:
        trouble = f"the event was not looked for: Kafka is away: {error}"
        say(OrderReport(order, [], [], complete=False, trouble=trouble), tables.order, as_json=as_json)
        warn(trouble)
        raise typer.Exit(Code.AWAY) from None
    complete = events.complete and letters.complete
    trouble = None if complete else "the topics are too long to be read to their ends in the time of this command"
    dead_letters = [views.dead_letter(record, {orderid: order.status}) for record in letters.items]
    say(OrderReport(order, events.items, dead_letters, complete, trouble), tables.order, as_json=as_json)


@app.command()
def stuck(
    context: typer.Context,
    older_than: Annotated[float, typer.Option(min=0, help="Seconds that an order may be PLACED.")] = 180.0,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: Json = False,
) -> None:
    """List orders that should have left PLACED long ago, or whose event was lost five times, oldest first."""
    session: Session = context.obj
    now = session.orders.now()
    found = session.orders.stuck(now - timedelta(seconds=older_than), limit + 1)
    report = StuckReport([views.stuck(document, now) for document in found[:limit]], more=len(found) > limit)
    say(report, tables.stuck, as_json=as_json)


@app.command("reconcile")
def reconcile_(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what has lost its event, and do nothing.")] = False,
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="How long to wait for the group.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Have the events that the log has lost published again: one pass of what the processors do by themselves.

    No clock decides: the group must first handle all that the topic holds now. If it does not, or if MongoDB refuses
    to change an order, exit code 1.
    """
    session: Session = context.obj
    report = one_pass(session.moves, session.orders, session.topics, dry_run=dry_run, seconds=seconds)
    say(report, tables.reconcile, as_json=as_json)
    if report.outcome == "undecided":
        raise Refused(
            f"the group has not come to the end of the topic in {seconds:g} s, {report.lag} events are left: "
            "is an order-processor running?"
        )
    if report.refused:
        raise Refused(f"MongoDB refuses to change {report.refused} of the orders: an order-processor's log names them")
