"""The options of a stack, and the layout of its folder."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from local_stack import ports, secret_files
from local_stack.catalog import SERVICES, Replica
from local_stack.errors import StackError
from local_stack.ports import Ports

REPOSITORY = Path(__file__).resolve().parents[3]
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Prometheus scrapes every `seconds`. For tests, the alerts' durations are divided by `divisor`.

    With `traces`, Zipkin runs, and the services export every trace to it unless `extra_env` sets the same variables.
    """

    seconds: int = 5
    divisor: float = 1
    traces: bool = False


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """`root` holds data, secrets and logs, and is kept. `ports` is an offset to the default ports, or "free".

    `counts` maps a service to its number of replicas, if that is not the default (`{"order-processor": 3}`).
    `extra_env` has more variables for each service and the proxy (`{"order-api": {"LOG_LEVEL": "debug"}}`).
    `brokers` and `mongo_members` are 1 or 3 (0 for none), always the same for the same root. `observe` adds Prometheus,
    Grafana and Zipkin, `console` the operator's page.
    """

    root: Path
    ports: int | Literal["free"] = "free"
    brokers: int = 1
    mongo_members: int = 1
    console: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    extra_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    observe: Observation | None = None

    def count(self, service: str) -> int:
        """Return how many replicas the service has."""
        return self.counts.get(service, SERVICES[service].replicas)

    def replicas(self, services: Iterable[str] = tuple(SERVICES)) -> list[Replica]:
        """Return every replica of the services, by default of all."""
        return [Replica(service, number) for service in services for number in range(self.count(service))]

    def choose_ports(self) -> Ports:
        """Return the first port of each kind of part: the default one plus the offset, or a free one."""
        if self.ports != "free":
            return ports.fixed(self.ports)
        return ports.free(self._part_counts())

    def check_ports(self, chosen: Ports) -> None:
        """Raise StackError if another program listens on a port that is needed."""
        for name, count in self._part_counts().items():
            first = chosen[name]
            for port in range(first, first + count if first else 0):
                if ports.in_use(port):
                    raise StackError(
                        f"port {port}, which {name} needs, is in use by {ports.user_of(port)}: "
                        f"stop that program, or use other ports: make run PORT_OFFSET={self._next_offset()}"
                    )

    def _part_counts(self) -> dict[str, int]:
        """Return the number of ports that each kind of part needs."""
        brokers = dict.fromkeys(("kafka", "kafka-controller", "kafka-internal"), self.brokers)
        replicas = {kind: self.count(kind.removesuffix("-admin")) for kind in ports.OF_SERVICES}
        observers = dict.fromkeys(("prometheus", "grafana"), int(bool(self.observe)))
        tracing = dict.fromkeys(("zipkin", "otlp-bridge"), int(bool(self.observe and self.observe.traces)))
        return {
            "proxy": 1,
            "console": int(self.console),
            "mongodb": self.mongo_members,
            **brokers,
            **replicas,
            **observers,
            **tracing,
        }

    def _next_offset(self) -> int:
        return 1000 if self.ports == "free" else (self.ports + 1000) % ports.HIGHEST_OFFSET


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders below a stack's root, all with mode 700."""

    root: Path

    @property
    def certificates(self) -> Path:
        """The folder of the local authority and of the certificates that it issued."""
        return secret_files.folder(self.root / "certificates")

    @property
    def secrets(self) -> Path:
        """The folder of passwords and other secrets, one file for each."""
        return secret_files.folder(self.root / "secrets")

    @property
    def keys(self) -> Path:
        """The folder of the keys that sign tokens."""
        return secret_files.folder(self.root / "keys")

    @property
    def clients(self) -> Path:
        """The folder of client settings for MongoDB and Kafka, one file for each user."""
        return secret_files.folder(self.root / "clients")

    @property
    def log(self) -> Path:
        """The folder of the parts' output, one file for each part."""
        return secret_files.folder(self.root / "log")

    def data(self, part: str) -> Path:
        """The folder of the part's data."""
        return secret_files.folder(secret_files.folder(self.root / "data") / part)

    def config(self, part: str) -> Path:
        """The folder of the part's configuration files."""
        return secret_files.folder(secret_files.folder(self.root / "config") / part)


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a new process: the INHERITED variables of this one, and `more`."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | more
