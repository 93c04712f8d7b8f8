"""`retail orders`: list and show orders, find stuck and malformed ones, requeue lost events, include excluded ones."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from pymongo.errors import PyMongoError

from retail_cli import queries, rendering
from retail_cli.document_check import find_problems, readable
from retail_cli.examples import examples
from retail_cli.including import include
from retail_cli.outcomes import print_outcomes
from retail_cli.output import print_report, print_warning
from retail_cli.reconciling import run_pass
from retail_cli.reports import CheckReport, MalformedOrder
from retail_cli.session import ExitCode, Json, Refused, Session
from retail_cli.store import Filter
from shared.ordering.status import Status

AGE = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
TIME = "a time such as 2026-11-24T21:31:00Z (UTC if no zone is given), or an age such as 90s, 30m, 2h or 7d"
ID = "01a20f78-994a-7bff-9538-c674dbaaed2b"

app = typer.Typer(
    help="Orders: list, show, find stuck and malformed ones, requeue lost events, include excluded ones.",
    epilog=examples("retail orders list --status FAILED --since 2h", f"retail orders show {ID}"),
    no_args_is_help=True,
)


@app.command(
    "list",
    epilog=examples(
        "retail orders list --user ada",
        "retail orders list --status FAILED --since 2h",
        "retail orders list --since 2026-11-24 --until 2026-11-25 --limit 1000 --json",
    ),
)
def list_(
    context: typer.Context,
    *,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="Only the orders of this user.")] = None,
    status: Annotated[Status | None, typer.Option(case_sensitive=False, help="Only orders in this status.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"Placed at or after {TIME}.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Placed before that time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 20,
    as_json: Json = False,
) -> None:
    """List orders, newest first, by user, status and time.

    The time is the one in the order's id. Orders whose id is an ObjectId are listed only without --since and --until.
    """
    session: Session = context.obj
    wanted = Filter(user, status, _moment(session, since), _moment(session, until))
    print_report(queries.orders(session, wanted, limit), rendering.orders, as_json=as_json)


@app.command(epilog=examples(f"retail orders show {ID}", f"retail orders show {ID} --json"))
def show(
    context: typer.Context,
    orderid: Annotated[str, typer.Argument(metavar="ID", help="The order's id (its reference).")],
    as_json: Json = False,
) -> None:
    """Show an order: its document and history, its event and offset in the topic, its dead letters."""
    session: Session = context.obj
    report, kafka_answered = queries.order(session, orderid)
    print_report(report, rendering.order, as_json=as_json)
    if not kafka_answered:
        print_warning(report.trouble or "")
        raise typer.Exit(ExitCode.UNAVAILABLE)


@app.command(epilog=examples("retail orders stuck", "retail orders stuck --older-than 30 --json"))
def stuck(
    context: typer.Context,
    older_than: Annotated[
        float, typer.Option(min=0, help="How many seconds an order may be PLACED.")
    ] = queries.STUCK_SECONDS,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 100,
    as_json: Json = False,
) -> None:
    """List PLACED orders that are late, have lost their event five times, or cannot be processed; oldest first."""
    session: Session = context.obj
    report = queries.stuck(session, older_than=older_than, limit=limit)
    print_report(report, rendering.stuck, as_json=as_json)


@app.command(epilog=examples("retail orders check", "retail orders check --seconds 600 --json"))
def check(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Stop after this many malformed orders.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Stop after this many seconds.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Read every order and list the documents that the services cannot handle, with what is wrong in each.

    The exit code is 1 if there is a malformed document, or if the time was too short to read all orders.
    """
    report = _check(context.obj, limit, seconds)
    print_report(report, rendering.check, as_json=as_json)
    if report.orders:
        raise Refused(f"malformed orders: {len(report.orders)}; no service can handle them until they are repaired")
    if not report.complete:
        raise Refused(f"only {report.examined:,} orders were read in {seconds:g} s: raise --seconds")


@app.command(
    "reconcile", epilog=examples("retail orders reconcile --dry-run", "retail orders reconcile --seconds 300 --json")
)
def reconcile_(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the orders whose event is lost.")] = False,
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="How long to wait for the group.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Requeue the orders whose event the topic has lost, in one pass, as every order-processor does regularly.

    Offsets decide, not clocks: the group must first handle all events that the topic holds now. If the group does not
    do so in time, or if MongoDB rejects the update of an order, the exit code is 1.
    """
    session: Session = context.obj
    report = run_pass(session.transitions, session.orders, session.topics, dry_run=dry_run, seconds=seconds)
    print_report(report, rendering.reconcile, as_json=as_json)
    if report.outcome == "undecided":
        raise Refused(
            f"the group has not reached the end of the topic in {seconds:g} s, {report.lag} events are left: "
            "is an order-processor running?"
        )
    if report.refused:
        raise Refused(f"MongoDB rejected the update of {report.refused} order(s): an order-processor's log names them")


@app.command("include", epilog=examples(f"retail orders include {ID} --dry-run", f"retail orders include {ID} --json"))
def include_(
    context: typer.Context,
    *,
    orderids: Annotated[list[str], typer.Argument(metavar="ID...", help="The orders' ids.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be included.")] = False,
    as_json: Json = False,
) -> None:
    """Include excluded orders: their event is published again. Repair their documents first.

    An order is excluded when MongoDB rejects every change of it. An order that is not excluded is left as it is, and
    reported. An order is refused (exit code 1) if it does not exist or is still malformed, or if MongoDB rejects the
    change.
    """
    session: Session = context.obj
    outcomes = include(session.orders, session.transitions, list(dict.fromkeys(orderids)), dry_run=dry_run)
    print_outcomes("Include", outcomes, dry_run=dry_run, as_json=as_json)


def _check(session: Session, limit: int, seconds: float) -> CheckReport:
    found: list[MalformedOrder] = []
    examined = 0
    complete = False
    deadline = time.monotonic() + seconds
    try:
        for document in session.orders.scan(seconds):
            examined += 1
            if problems := find_problems(document):
                found.append(MalformedOrder(readable(str(document["_id"])), problems))
            if len(found) > limit or time.monotonic() > deadline:
                break
        else:
            complete = True
    except PyMongoError as error:
        if not (error.timeout and examined):
            raise
    return CheckReport(found[:limit], examined, complete, more=len(found) > limit)


def _moment(session: Session, text: str | None) -> datetime | None:
    """Parse a time, or an age, which counts back from the database's time; raise BadParameter for other text."""
    if text is None:
        return None
    if age := AGE.fullmatch(text):
        return session.orders.now() - timedelta(**{UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"must be {TIME}, not {text!r}") from None
