"""The connections of one command, made when first used, and its exit codes."""

import getpass
from collections.abc import Callable
from enum import IntEnum
from functools import cached_property
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry
from pymongo.database import Database

from retail_cli.settings import OperatorSettings
from retail_cli.store import OrderReader
from retail_cli.topics import Topics
from shared import kafka, mongo
from shared.key_records import KeyRecords
from shared.mongo import Document
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics

OPERATOR = "operator"
MAX_NAME = 64
Json = Annotated[bool, typer.Option("--json", help="Write JSON for scripts instead of tables.")]


class ExitCode(IntEnum):
    """The exit codes, documented in docs/operations.md."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNAVAILABLE = 3
    BROKEN_PROMISE = 4


class Refused(Exception):  # noqa: N818 - the answer to the person who asked
    """The command refuses to act, for a reason that is not an outage: exit code 1."""


class Session:
    """The connections of one command. Nothing is connected before it is used."""

    def __init__(self, load_settings: Callable[[], OperatorSettings]) -> None:
        self._load_settings = load_settings

    @cached_property
    def settings(self) -> OperatorSettings:
        """The settings; raises SettingsError for missing or invalid ones."""
        return self._load_settings()

    @cached_property
    def database(self) -> Database[Document]:
        """The database, as the user `operator`."""
        s = self.settings
        return mongo.connect(
            s.mongodb_uri, ca_file=s.mongodb_ca_file, database=s.mongodb_database, app_name="retail", pool=2
        )

    @cached_property
    def kafka(self) -> kafka.Connection:
        """The brokers' addresses and the operator's credentials."""
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
        """Reads orders."""
        return OrderReader(self.database)

    @cached_property
    def transitions(self) -> OrderTransitions:
        """Changes orders: redrives, requeues and includes them."""
        return OrderTransitions(self.database, self._breaker)

    @cached_property
    def key_records(self) -> KeyRecords:
        """Reads and revokes signing keys."""
        return KeyRecords(self.database, self._breaker)

    @cached_property
    def _breaker(self) -> Breaker:
        metrics = BreakerMetrics(CollectorRegistry())  # never exported: Prometheus does not scrape a command
        return Breaker("mongodb", metrics, is_failure=mongo.is_failure)

    @cached_property
    def topics(self) -> Topics:
        """Reads the topics."""
        return Topics(self.kafka)

    def close(self) -> None:
        """Close the connections that were opened."""
        if "topics" in self.__dict__:
            self.topics.close()
        if "database" in self.__dict__:
            self.database.client.close()


def actor(by: str | None) -> str:
    """Return who redrives, for the history: `operator:NAME`, or `operator` without a name.

    The name is `by`, or by default that of the operating system's user. Raise BadParameter for an invalid one.
    """
    name = os_user() if by is None else by.strip()
    if name is None:
        return OPERATOR
    if not name.isprintable() or not 1 <= len(name) <= MAX_NAME:
        raise typer.BadParameter(f"--by must be 1 to {MAX_NAME} printable characters")
    return f"{OPERATOR}:{name}"


def os_user() -> str | None:
    """Return the name of the operating system's user, or None if there is none, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # Python 3.13 and newer raise OSError
        return None
