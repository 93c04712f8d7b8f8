"""The choices for a stack, and the layout of its folder."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from local_stack import ports, secret_files
from local_stack.errors import StackError
from local_stack.ports import Ports

REPOSITORY = Path(__file__).resolve().parents[3]
SERVICES = ("order-api", "auth-api", "order-processor")
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """`root` holds data, secrets and logs, and is kept. `ports` is an offset to the usual ports, or "free" ones.

    `extra_env` has more variables for each service and the proxy (`{"order-api": {"LOG_LEVEL": "debug"}}`).
    `brokers` and `mongo_members` are 1 or 3, always the same for the same root.
    """

    root: Path
    ports: int | Literal["free"] = "free"
    brokers: int = 1
    mongo_members: int = 1
    order_api: int = 2
    auth_api: int = 1
    order_processor: int = 1
    extra_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def replicas(self, service: str) -> int:
        """Return how many processes of the service there are."""
        return int(getattr(self, service.replace("-", "_")))

    def choose_ports(self) -> Ports:
        """Return the ports to use."""
        if self.ports != "free":
            return ports.fixed(self.ports)
        brokers = dict.fromkeys(("kafka", "kafka_controller", "kafka_internal"), self.brokers)
        apis = {name: self.replicas(service) for service in SERVICES for name in _port_names(service)}
        return ports.free({"mongodb": self.mongo_members, **brokers, **apis})

    def check_ports(self, chosen: Ports) -> None:
        """Raise StackError if another program listens on a port that is needed."""
        counts = {"mongodb": self.mongo_members, "kafka": self.brokers, "kafka_controller": self.brokers}
        counts |= {"kafka_internal": self.brokers, "proxy": 1}
        counts |= {name: self.replicas(service) for service in SERVICES for name in _port_names(service)}
        for name, count in counts.items():
            first = getattr(chosen, name, 0)
            for port in range(first, first + count if first else 0):
                if ports.in_use(port):
                    raise StackError(
                        f"port {port}, which {name.replace('_', '-')} needs, is in use by {ports.user_of(port)}: "
                        f"stop that program, or use other ports: make run PORT_OFFSET={self._next_offset()}"
                    )

    def _next_offset(self) -> int:
        return 1000 if self.ports == "free" else (self.ports + 1000) % ports.HIGHEST_OFFSET


def _port_names(service: str) -> tuple[str, str]:
    name = service.replace("-", "_")
    return name, f"{name}_admin"


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders below a stack's root, all with mode 700."""

    root: Path

    @property
    def certificates(self) -> Path:
        """The local authority and what it issued."""
        return secret_files.folder(self.root / "certificates")

    @property
    def secrets(self) -> Path:
        """Passwords, a file each."""
        return secret_files.folder(self.root / "secrets")

    @property
    def keys(self) -> Path:
        """The keys that sign tokens."""
        return secret_files.folder(self.root / "keys")

    @property
    def clients(self) -> Path:
        """Client settings for MongoDB and Kafka, a file for each user."""
        return secret_files.folder(self.root / "clients")

    @property
    def log(self) -> Path:
        """The output of each part, a file each."""
        return secret_files.folder(self.root / "log")

    def data(self, part: str) -> Path:
        """The data of the part."""
        return secret_files.folder(secret_files.folder(self.root / "data") / part)

    def config(self, part: str) -> Path:
        """The configuration of the part, written at each start."""
        return secret_files.folder(secret_files.folder(self.root / "config") / part)


def environment(**more: str) -> dict[str, str]:
    """Return the few variables of this process that programs need, and `more`."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | more
