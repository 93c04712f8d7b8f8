"""The services as parts: their commands, and their settings as environment variables."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from local_stack import private
from local_stack.certificates import Authority
from local_stack.mongod import DATABASE, MongoDB
from local_stack.options import Folders, environment
from local_stack.part import Part
from local_stack.ports import HOST, Ports

GUNICORN = (sys.executable, "-m", "gunicorn", "--config", "python:shared.http.gunicorn_conf")
PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
COMMANDS = {
    "order-api": (*GUNICORN, "order_api.app:wsgi()"),
    "auth-api": (*GUNICORN, "auth_api.app:wsgi()"),
    "order-processor": (sys.executable, "-m", "order_processor.main"),
}


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What services are told of their surroundings. `kafka_bootstrap` is empty where there is no Kafka."""

    folders: Folders
    authority: Authority
    ports: Ports
    mongodb: MongoDB
    kafka_bootstrap: str

    def base_url(self) -> str:
        """Where the edge listens."""
        return f"https://localhost:{self.ports.edge}"

    def url(self, service: str, replica: int) -> str | None:
        """Where the replica's API listens, if it has one."""
        first: int | None = getattr(self.ports, service.replace("-", "_"), None)
        return f"http://{HOST}:{first + replica}" if first else None

    def admin_url(self, service: str, replica: int) -> str:
        """Where the replica's probes and metrics are."""
        return f"http://{HOST}:{getattr(self.ports, service.replace('-', '_') + '_admin') + replica}"

    def part(self, service: str, replica: int, extra: Mapping[str, str]) -> Part:
        """Return the replica as a part, named such as order-api-0."""
        name = f"{service}-{replica}"
        admin_url, url = self.admin_url(service, replica), self.url(service, replica)
        variables = {"ADMIN_BIND": _address(admin_url), **self._dependencies(service), **self._of(service)}
        if url:
            variables["HTTP_BIND"] = _address(url)
        return Part(
            name=name,
            command=COMMANDS[service],
            environment=environment(**PYTHON, **(variables | dict(extra))),
            log=self.folders.log / f"{name}.log",
            ready=lambda: is_ready(admin_url),
        )

    def client(self, user: str) -> dict[str, str]:
        """Return the variables with which a program is `user` at MongoDB and Kafka, secrets in clear."""
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
        uri = private.write(self.folders.secrets / f"mongodb-uri-{user}", variables.pop("MONGODB_URI"))
        variables["MONGODB_URI_FILE"] = str(uri)
        if variables.pop("KAFKA_PASSWORD", None):
            variables["KAFKA_PASSWORD_FILE"] = str(self._kafka_password(user))
        return variables

    def _of(self, service: str) -> dict[str, str]:
        if service == "order-api":
            jwks = f"{self.base_url()}/.well-known/jwks.json"
            return {"AUTH_JWKS_URL": jwks, "AUTH_JWKS_CA_FILE": str(self.authority.certificate)}
        return {"AUTH_KEYS_DIR": str(self.folders.keys)} if service == "auth-api" else {}

    def _kafka_password(self, user: str) -> Path:
        return self.folders.secrets / f"kafka-{user}"


def is_ready(admin_url: str) -> bool:
    """Tell whether the process behind the admin port says that it can serve."""
    try:
        return httpx.get(f"{admin_url}/readyz", timeout=2, trust_env=False).status_code == HTTPStatus.OK
    except httpx.HTTPError:
        return False


def _address(url: str) -> str:
    return url.removeprefix("http://")
