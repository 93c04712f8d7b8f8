"""The services as parts: their commands and environment variables."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from local_stack import secret_files
from local_stack.catalog import SERVICES, Replica
from local_stack.certificates import Authority
from local_stack.mongod import DATABASE, MongoDB
from local_stack.options import Folders, environment
from local_stack.ports import HOST, Ports
from local_stack.process import Part

# The replica that counts the proxy's own responses: the first replica of the API that serves the prefix /.
PROXY_COUNTER = next(Replica(name, 0) for name, service in SERVICES.items() if "/" in service.paths)
PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The addresses and secrets that services get. `kafka_bootstrap` is empty if there is no Kafka."""

    folders: Folders
    authority: Authority
    ports: Ports
    mongodb: MongoDB
    kafka_bootstrap: str

    def base_url(self) -> str:
        """The address of the proxy."""
        return f"https://localhost:{self.ports['proxy']}"

    def url(self, replica: Replica) -> str | None:
        """The address of the replica's API, or None if the service has no API."""
        first = self.ports.get(replica.service)
        return f"http://{HOST}:{first + replica.number}" if first else None

    def admin_url(self, replica: Replica) -> str:
        """The address of the replica's probes and metrics."""
        return f"http://{HOST}:{self.ports[f'{replica.service}-admin'] + replica.number}"

    @property
    def proxy_status_port(self) -> int:
        """The UDP port on which one replica receives the statuses of the proxy's own responses, to count them.

        The replica's admin port (TCP) has the same number.
        """
        return self.ports[f"{PROXY_COUNTER.service}-admin"]

    def links(self, replicas: Iterable[Replica]) -> dict[str, str]:
        """Return the addresses to which the shop page links, by title."""
        return {f"metrics of {replica.name}": f"{self.admin_url(replica)}/metrics" for replica in replicas}

    def part(self, replica: Replica, extra: Mapping[str, str]) -> Part:
        """Return the replica as a part."""
        service, name = replica.service, replica.name
        admin_url, url = self.admin_url(replica), self.url(replica)
        variables = {"ADMIN_BIND": _address(admin_url), **self._dependencies(service), **self._of(service)}
        if url:
            variables["HTTP_BIND"] = _address(url)
        if replica == PROXY_COUNTER:
            variables["PROXY_STATUS_BIND"] = f"{HOST}:{self.proxy_status_port}"
        return Part(
            name=name,
            command=(str(Path(sys.executable).with_name(service)),),
            environment=environment(**PYTHON, **(variables | dict(extra))),
            log=self.folders.log / f"{name}.log",
            ready=lambda: is_ready(check_url=f"{admin_url}/readyz"),
        )

    def client(self, user: str) -> dict[str, str]:
        """Return the variables with which a program logs in to MongoDB and Kafka as `user`. They contain secrets."""
        variables = {
            "MONGODB_URI": self.mongodb.uri_for(user),
            "MONGODB_CA_FILE": str(self.authority.certificate),
            "MONGODB_DATABASE": DATABASE,
        }
        if self.kafka_bootstrap and self._kafka_password(user).exists():
            variables |= {
                "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap,
                "KAFKA_USERNAME": user,
                "KAFKA_PASSWORD": self._kafka_password(user).read_text(encoding="utf-8"),
                "KAFKA_CA_FILE": str(self.authority.certificate),
            }
        return variables

    def _dependencies(self, user: str) -> dict[str, str]:
        variables = self.client(user)
        uri = secret_files.write(self.folders.secrets / f"mongodb-uri-{user}", variables.pop("MONGODB_URI"))
        variables["MONGODB_URI_FILE"] = str(uri)
        if variables.pop("KAFKA_PASSWORD", None):
            variables["KAFKA_PASSWORD_FILE"] = str(self._kafka_password(user))
        return variables

    def _of(self, service: str) -> dict[str, str]:
        known = {"base_url": self.base_url(), "ca": self.authority.certificate, "keys": self.folders.keys}
        return {name: value.format(**known) for name, value in SERVICES[service].variables.items()}

    def _kafka_password(self, user: str) -> Path:
        return self.folders.secrets / f"kafka-{user}"


def is_ready(*, check_url: str) -> bool:
    """Return whether the readiness check at this URL succeeds."""
    try:
        return httpx.get(check_url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _address(url: str) -> str:
    return url.removeprefix("http://")
