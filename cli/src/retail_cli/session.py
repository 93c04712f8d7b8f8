"""What every command has at hand: the connections, made when first used, and one way to say things."""

import sys
from collections.abc import Callable
from enum import IntEnum
from functools import cached_property
from typing import Annotated, TypeVar

import msgspec
import typer
from prometheus_client import CollectorRegistry
from pymongo.database import Database
from rich.console import Console

from retail_cli.rendering import Lines, clean
from retail_cli.settings import OperatorSettings
from retail_cli.store import OrderReader
from retail_cli.topics import Topics
from shared import kafka, mongo
from shared.mongo import Document
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics

Json = Annotated[bool, typer.Option("--json", help="Write JSON for scripts instead of tables.")]
WIDTH_OF_A_FILE = 160
R = TypeVar("R", bound=msgspec.Struct)


class Code(IntEnum):
    """What the exit code says."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    AWAY = 3
    BROKEN_PROMISE = 4


class Refused(Exception):  # noqa: N818 - the answer to the person who asked
    """The command cannot do what was asked, whatever is up or down: exit code 1."""


class Session:
    """The connections of one command. Nothing is connected before it is used."""

    def __init__(self, load_settings: Callable[[], OperatorSettings]) -> None:
        self._load_settings = load_settings

    @cached_property
    def settings(self) -> OperatorSettings:
        """The settings; raises SettingsError for those that are missing or bad."""
        return self._load_settings()

    @cached_property
    def database(self) -> Database[Document]:
        """The operator's view of the database."""
        s = self.settings
        return mongo.connect(
            s.mongodb_uri, ca_file=s.mongodb_ca_file, database=s.mongodb_database, app_name="retail", pool=2
        )

    @cached_property
    def kafka(self) -> kafka.Connection:
        """Where Kafka is, and the operator's name there."""
        s = self.settings
        return kafka.Connection(
            bootstrap_servers=s.kafka_bootstrap_servers,
            username=s.kafka_username,
            password=s.kafka_password,
            ca_file=s.kafka_ca_file,
            client_id="retail",
        )

    @cached_property
    def orders(self) -> OrderReader:
        """The orders, to be read."""
        return OrderReader(self.database)

    @cached_property
    def moves(self) -> OrderTransitions:
        """The changes of an order's status."""
        metrics = BreakerMetrics(CollectorRegistry())  # nobody scrapes a command
        return OrderTransitions(self.database, Breaker("mongodb", metrics, is_failure=mongo.is_failure))

    @cached_property
    def topics(self) -> Topics:
        """The topics, to be read."""
        return Topics(self.kafka)

    def close(self) -> None:
        """Close what was opened."""
        if "topics" in self.__dict__:
            self.topics.close()
        if "database" in self.__dict__:
            self.database.client.close()


def say(report: R, draw: Callable[[R], Lines], *, as_json: bool) -> None:
    """Write a report to standard output: its JSON, or the tables that `draw` makes of it."""
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
        sys.stdout.write(text + "\n")
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
    with console.capture() as drawn:
        for line in draw(report):
            console.print(line)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))


def warn(sentence: str) -> None:
    """Tell a person something beside the report, on standard error."""
    lines = map(clean, f"retail: {sentence}".split("\n"))  # what comes from outside commands no terminal
    typer.echo("\n".join(lines), err=True)
