"""The command `retail`: its groups, where its settings come from, and what each kind of failure exits with."""

import logging
import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from pymongo.errors import OperationFailure, PyMongoError
from typer.core import TyperGroup

from retail_cli import dead_letter_commands, order_commands, settings, status_commands
from retail_cli.session import Code, Refused, Session, warn
from retail_cli.topics import KafkaAway
from shared.config.settings import SettingsError
from shared.kafka import KafkaException
from shared.resilience.breaker import CircuitOpen


class _Operator(TyperGroup):
    """Ends every foreseen failure with one sentence and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Refused as error:
            raise _end(Code.REFUSED, str(error)) from None
        except SettingsError as error:
            raise _end(Code.USAGE, f"the settings are not usable\n{error}") from None
        except CircuitOpen as error:
            raise _end(Code.AWAY, str(error)) from None
        except PyMongoError as error:
            raise _end(Code.AWAY, f"MongoDB {explain(error)}") from None
        except (KafkaAway, KafkaException) as error:
            raise _end(Code.AWAY, f"Kafka is away: {error}") from None


app = typer.Typer(
    cls=_Operator,
    name="retail",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 refused or not found, 2 usage or settings, 3 a dependency is away, "
    "4 a promise was broken (load).",
)
app.add_typer(order_commands.app, name="orders")
app.add_typer(dead_letter_commands.app, name="dead-letters")
app.add_typer(status_commands.outbox, name="outbox")
app.command()(status_commands.breakers)
for plugin in entry_points(group="retail_cli.commands"):  # of developers' packages, in no image
    app.command(plugin.name)(plugin.load())


@app.callback()
def connect(
    context: typer.Context,
    env_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of NAME=value lines with the connection settings, instead of the environment. Default: "
            f"the environment; without settings there, {settings.LOCAL_ENV_FILE} here or in a folder above.",
        ),
    ] = None,
) -> None:
    """Look after Retail Orders: orders, dead letters, outbox, circuit breakers."""
    if context.obj is None:
        context.obj = Session(lambda: settings.load(env_file, os.environ, Path.cwd()))
    context.call_on_close(context.obj.close)


def explain(error: PyMongoError) -> str:
    """Say in one line what a MongoDB error means to a person."""
    text = str(error).split(", Timeout:")[0].split(", full error:")[0].split(" (configured timeouts")[0]
    return f"refuses: {text}" if isinstance(error, OperationFailure) else f"is away: {text}"


def main() -> None:
    """Run the command."""
    quiet()
    app()


def quiet() -> None:
    """Silence the log lines of the services' modules: a command says what it has to say in its report."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _end(code: Code, sentence: str) -> typer.Exit:
    warn(sentence)
    return typer.Exit(code)
