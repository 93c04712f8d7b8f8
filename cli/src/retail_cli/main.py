"""The command `retail`: its groups, the source of its settings, and the exit code of each kind of failure."""

import logging
import os
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from typer.core import TyperGroup

from retail_cli import (
    console_command,
    dead_letter_commands,
    failures,
    key_commands,
    order_commands,
    settings,
    status_commands,
)
from retail_cli.examples import examples
from retail_cli.output import accept_any_locale, print_warning, report_failed_output
from retail_cli.session import ExitCode, Session


class _Commands(TyperGroup):
    """Turns every expected failure of a command into one sentence and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except failures.EXPECTED as error:
            code, sentence = failures.describe(error)
            print_warning(sentence)
            raise typer.Exit(code) from None


app = typer.Typer(
    cls=_Commands,
    name="retail",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=examples(
        "retail outbox status",
        "retail orders list --status FAILED --since 2h",
        "retail --env-file operator.env orders show 01a20f78-994a-7bff-9538-c674dbaaed2b",
    )
    + "\n\nExit codes: 0 done; 1 refused, not found, or the output cannot be written; 2 usage or settings; "
    "3 MongoDB, Kafka or a replica is unavailable; 4 load saw a broken promise.",
)
app.add_typer(order_commands.app, name="orders")
app.add_typer(dead_letter_commands.app, name="dead-letters")
app.add_typer(status_commands.outbox, name="outbox")
app.add_typer(key_commands.app, name="keys")
app.command(epilog=status_commands.BREAKERS_EXAMPLES)(status_commands.breakers)
app.command(epilog=console_command.EXAMPLES)(console_command.console)
for plugin in entry_points(group="retail_cli.commands"):  # commands of packages for developers, which no image contains
    plugin.load()(app)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"retail {version('retail-orders-cli')}")
        raise typer.Exit


@app.callback()
def connect(
    context: typer.Context,
    *,
    env_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of NAME=value lines with the connection settings, instead of the environment. Default: "
            f"the environment; without settings there, {settings.LOCAL_ENV_FILE} here or in a folder above.",
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Operate Retail Orders: orders, dead letters, outbox, circuit breakers."""
    if context.obj is None:
        context.obj = Session(lambda: settings.load(env_file, os.environ, Path.cwd()))
    context.call_on_close(context.obj.close)


def main() -> None:
    """Run the command."""
    disable_logs()
    accept_any_locale()
    try:
        app()
    except OSError as error:
        report_failed_output(error)
        sys.exit(ExitCode.REFUSED)


def disable_logs() -> None:
    """Drop the log lines of the shared modules: a command prints its own messages."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
