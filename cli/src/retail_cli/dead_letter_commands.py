"""`retail dead-letters`: what could not be handled, why, and once the cause is mended, another try."""

import re
from typing import Annotated

import typer

from retail_cli import presenters as views
from retail_cli import redriving
from retail_cli import rendering as tables
from retail_cli.reports import DeadLetters, Redriven, RedriveReport
from retail_cli.session import Code, Json, Refused, Session, say, warn
from retail_cli.topics import Found, KafkaAway, Record

MOST_AT_ONCE = 50_000
PLACE = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)

app = typer.Typer(help="Broken events and broken orders: list, show, redrive.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many of each kind.")] = 100,
    as_json: Json = False,
) -> None:
    """List the events in the dead-letter topic and the orders that are FAILED, newest first."""
    session: Session = context.obj
    records: Found[Record] = Found([], complete=True)
    trouble = None
    try:
        records = session.topics.dead_letters(limit)
    except KafkaAway as error:
        trouble = f"the dead-letter topic could not be read: Kafka is away: {error}"
    statuses = session.orders.statuses({orderid for record in records.items if (orderid := views.orderid(record))})
    failed = session.orders.failed(limit + 1)
    report = DeadLetters(
        events=[views.dead_letter(record, statuses) for record in records.items],
        failed_orders=[views.failed(document) for document in failed[:limit]],
        more=len(failed) > limit or not records.complete,
        trouble=trouble,
    )
    say(report, tables.dead_letters, as_json=as_json)
    if trouble:
        warn(trouble)
        raise typer.Exit(Code.AWAY)


@app.command()
def show(
    context: typer.Context,
    place: Annotated[str, typer.Argument(metavar="ID", help="PARTITION:OFFSET, as `list` shows it.")],
    as_json: Json = False,
) -> None:
    """Show one dead letter whole: why it is there, where it came from, its headers and its value."""
    session: Session = context.obj
    record = _record(session, place)
    orderid = views.orderid(record)
    statuses = session.orders.statuses([orderid] if orderid else [])
    say(views.dead_letter_detail(record, statuses), tables.dead_letter, as_json=as_json)


@app.command()
def redrive(
    context: typer.Context,
    *,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Order ids, or dead letters as PARTITION:OFFSET.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every order that is FAILED.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    reason: Annotated[
        str, typer.Option(help="What was mended; goes into the order's history.")
    ] = "redriven by the operator",
    as_json: Json = False,
) -> None:
    """Give FAILED orders another try: FAILED to PLACED, with a new event on its way. Mend the cause first.

    A PLACED or PROCESSED order needs none, which is said; an order that does not exist is refused with exit code 1.
    """
    session: Session = context.obj
    if everything == bool(targets):
        raise typer.BadParameter("name orders or dead letters, or give --all")
    if everything:
        orderids = session.orders.failed_ids(MOST_AT_ONCE + 1)
        if len(orderids) > MOST_AT_ONCE:
            del orderids[MOST_AT_ONCE:]
            warn(f"more than {MOST_AT_ONCE:,} orders are FAILED: these are the newest, repeat it for the others")
    else:
        orderids = list(dict.fromkeys(_orderid(session, target) for target in targets or []))
    done: list[Redriven] = []
    try:
        done.extend(redriving.redrive(session.orders, session.moves, orderids, reason, dry_run=dry_run))
    finally:  # when MongoDB goes away in the middle, what was done is said all the same
        say(RedriveReport(dry_run, done), tables.redriven, as_json=as_json)
    if refused := [one.orderid for one in done if one.outcome == "refused"]:
        raise Refused(f"refused: {', '.join(refused)}")


def _orderid(session: Session, target: str) -> str:
    """Return the order that `target` names: by its id, or by a dead letter of it."""
    if not PLACE.fullmatch(target):
        return target
    orderid = views.orderid(_record(session, target))
    if orderid is None:
        raise Refused(f"dead letter {target} names no order: it has no key that could be an id")
    return orderid


def _record(session: Session, place: str) -> Record:
    found = PLACE.fullmatch(place)
    if not found:
        raise typer.BadParameter(f"must be PARTITION:OFFSET, such as 0:17, not {place!r}")
    record = session.topics.dead_letter(int(found[1]), int(found[2]))
    if record is None:
        raise Refused(f"there is no dead letter {place}")
    return record
