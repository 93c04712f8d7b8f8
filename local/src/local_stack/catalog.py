"""The services of the stack. A new service needs only an entry here, and its users in k8s/mongodb and k8s/kafka."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Service:
    """How a service runs; its program has the same name as the service.

    `admin_port` and `port` are the default ports of the first replica; only an API has a `port`. `paths` are the URL
    prefixes that the proxy routes to the service. `variables` are environment variables that only this service has;
    their values may contain {base_url}, {ca} and {keys}. An API starts when MongoDB is ready; any other service also
    waits for Kafka.
    """

    admin_port: int
    port: int | None = None
    paths: tuple[str, ...] = ()
    replicas: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)


class Replica(NamedTuple):
    """One process of a service; `number` counts from 0."""

    service: str
    number: int

    @property
    def name(self) -> str:
        """The name of the part and of its log, such as order-api-0."""
        return f"{self.service}-{self.number}"


SERVICES: Mapping[str, Service] = {
    "order-api": Service(
        port=18080,
        admin_port=19580,
        paths=("/",),
        replicas=2,
        variables={"AUTH_JWKS_URL": "{base_url}/.well-known/jwks.json", "AUTH_JWKS_CA_FILE": "{ca}"},
    ),
    "auth-api": Service(
        port=18090,
        admin_port=19590,
        paths=("/api/", "/.well-known/"),
        variables={"AUTH_KEYS_DIR": "{keys}"},
    ),
    "order-processor": Service(admin_port=19600),
}
APIS = tuple(name for name, service in SERVICES.items() if service.port)
CONSUMERS = tuple(name for name, service in SERVICES.items() if not service.port)
