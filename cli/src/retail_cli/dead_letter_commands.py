"""`retail dead-letters`: list, show and acknowledge dead letters, and redrive FAILED orders."""

import re
from typing import Annotated

import typer

from retail_cli import presenters, queries, redriving, rendering
from retail_cli.acknowledging import Acknowledgement, acknowledgement
from retail_cli.examples import examples
from retail_cli.outcomes import print_outcomes
from retail_cli.output import print_report, print_warning
from retail_cli.session import ExitCode, Json, Refused, Session, actor

REDRIVE_LIMIT = 50_000
POSITION = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)

app = typer.Typer(
    help="Broken events and FAILED orders: list, show, redrive, acknowledge.",
    epilog=examples("retail dead-letters list", "retail dead-letters redrive --all --dry-run"),
    no_args_is_help=True,
)


@app.command("list", epilog=examples("retail dead-letters list", "retail dead-letters list --limit 1000 --json"))
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many of each kind.")] = 100,
    as_json: Json = False,
) -> None:
    """List the events in the dead-letter topic and the orders that are FAILED, newest first."""
    session: Session = context.obj
    report = queries.dead_letters(session, limit)
    print_report(report, rendering.dead_letters, as_json=as_json)
    if report.trouble:
        print_warning(report.trouble)
        raise typer.Exit(ExitCode.UNAVAILABLE)


@app.command(epilog=examples("retail dead-letters show 0:17", "retail dead-letters show 0:17 --json"))
def show(
    context: typer.Context,
    position: Annotated[str, typer.Argument(metavar="ID", help="PARTITION:OFFSET, as `list` shows it.")],
    as_json: Json = False,
) -> None:
    """Show one dead letter: its error, where it came from, its headers and its value."""
    session: Session = context.obj
    print_report(queries.dead_letter(session, *_position(position)), rendering.dead_letter, as_json=as_json)


@app.command(
    epilog=examples(
        "retail dead-letters redrive 01a20f78-994a-7bff-9538-c674dbaaed2b --reason 'anvils are sold again'",
        "retail dead-letters redrive 0:17 --by ada",
        "retail dead-letters redrive --all --dry-run",
    )
)
def redrive(
    context: typer.Context,
    *,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Order ids, or dead letters as PARTITION:OFFSET.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every order that is FAILED.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be redriven.")] = False,
    reason: Annotated[
        str, typer.Option(help="What was fixed; is added to the order's history.")
    ] = redriving.DEFAULT_REASON,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Your name for the order's history. Default: the name of the system's user."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Redrive FAILED orders: they become PLACED, and their event is published again. Fix the cause first.

    A PLACED or PROCESSED order is left as it is, and reported. An order that does not exist is refused (exit code 1).
    """
    session: Session = context.obj
    if everything == bool(targets):
        raise typer.BadParameter("name orders or dead letters, or give --all")
    who = actor(by)
    if everything:
        order_ids, more = redriving.find_failed(session.orders, REDRIVE_LIMIT)
        if more:
            print_warning(
                f"more than {REDRIVE_LIMIT:,} orders are FAILED: only the newest are redriven; repeat the command"
            )
    else:
        order_ids = list(dict.fromkeys(_order_id(session, target) for target in targets or []))
    outcomes = redriving.redrive(session.orders, session.transitions, order_ids, by=who, reason=reason, dry_run=dry_run)
    print_outcomes("Redrive", outcomes, dry_run=dry_run, as_json=as_json)


@app.command(epilog=examples("retail dead-letters acknowledge 0:17", "retail dead-letters acknowledge 0:17 --json"))
def acknowledge(
    context: typer.Context,
    position: Annotated[str, typer.Argument(metavar="ID", help="PARTITION:OFFSET, as `list` shows it.")],
    as_json: Json = False,
) -> None:
    """Record that this dead letter and all before it in its partition are dealt with.

    The alert DeadLetters no longer counts them. Nothing is removed: `list` still shows them.
    """
    session: Session = context.obj
    message = queries.record(session, *_position(position)).message
    is_new = session.topics.acknowledge(message.partition, message.offset)
    report = Acknowledgement(f"{message.partition}:{message.offset}", "acknowledged" if is_new else "nothing to do")
    print_report(report, acknowledgement, as_json=as_json)


def _order_id(session: Session, target: str) -> str:
    """Return the id of an order; `target` is this id, or the PARTITION:OFFSET of one of the order's dead letters.

    Raise Refused if there is no such dead letter, or if its key is missing or not UTF-8. The id itself is not checked.
    """
    if not POSITION.fullmatch(target):
        return target
    order_id = presenters.order_id(queries.record(session, *_position(target)))
    if order_id is None:
        raise Refused(f"dead letter {target} names no order: its key is not an id")
    return order_id


def _position(text: str) -> tuple[int, int]:
    """Return partition and offset; raise BadParameter if `text` is not PARTITION:OFFSET."""
    found = POSITION.fullmatch(text)
    if not found:
        raise typer.BadParameter(f"must be PARTITION:OFFSET, such as 0:17, not {text!r}")
    return int(found[1]), int(found[2])
