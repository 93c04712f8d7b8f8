"""`retail outbox status` and `retail breakers`: is anything waiting, is anything refused."""

from pathlib import Path
from typing import Annotated

import typer

from retail_cli import presenters as views
from retail_cli import rendering as tables
from retail_cli import replicas
from retail_cli.local_files import LOCAL_STACK, find_local
from retail_cli.session import Code, Json, Session, say, warn

outbox = typer.Typer(help="Events that are not known to be published.", no_args_is_help=True)


@outbox.callback()
def _group() -> None:
    """Keep `status` a command of its own: a group of one would swallow its name."""


@outbox.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Count the orders whose event is not known to be published, and those that wait to be processed."""
    session: Session = context.obj
    say(views.outbox(session.orders.outbox()), tables.outbox, as_json=as_json)


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
    report = replicas.ask(
        [(url, url) for url in admin] if admin else replicas.from_stack(stack or find_local(LOCAL_STACK))
    )
    say(report, tables.breakers, as_json=as_json)
    if away := [replica.name for replica in report.replicas if replica.trouble]:
        warn(f"no answer from {', '.join(away)}")
        raise typer.Exit(Code.AWAY)
