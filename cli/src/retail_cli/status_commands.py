"""`retail outbox status` and `retail breakers`: how many orders wait, and which breakers reject calls."""

from pathlib import Path
from typing import Annotated

import typer

from retail_cli import presenters, rendering, replicas
from retail_cli.examples import examples
from retail_cli.local_files import LOCAL_STACK, find_local
from retail_cli.output import print_report, print_warning
from retail_cli.session import ExitCode, Json, Session

BREAKERS_EXAMPLES = examples(
    "retail breakers", "retail breakers --admin http://10.244.1.7:9090 --admin http://10.244.2.4:9090 --json"
)

outbox = typer.Typer(
    help="Events that are not known to be published.",
    epilog=examples("retail outbox status", "retail outbox status --json"),
    no_args_is_help=True,
)


@outbox.callback()
def _group() -> None:
    """Keep `status` as a subcommand: typer would merge a group with its only command."""


@outbox.command(epilog=examples("retail outbox status", "retail outbox status --json"))
def status(context: typer.Context, as_json: Json = False) -> None:
    """Count the orders whose event is not known to be published, and those that wait to be processed."""
    session: Session = context.obj
    print_report(presenters.outbox(session.orders.outbox()), rendering.outbox, as_json=as_json)


def breakers(
    admin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A replica's admin address; may be given several times.")
    ] = None,
    stack: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"The local stack's description. Default: {LOCAL_STACK}, here or above."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every circuit breaker of every replica, from the replicas' own metrics."""
    found = [(url, url) for url in admin] if admin else replicas.from_stack(stack or find_local(LOCAL_STACK))
    report = replicas.read_breakers(found)
    print_report(report, rendering.breakers, as_json=as_json)
    if unreachable := [replica.name for replica in report.replicas if replica.trouble]:
        print_warning(f"no response from {', '.join(unreachable)}")
        raise typer.Exit(ExitCode.UNAVAILABLE)
