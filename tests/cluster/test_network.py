"""Who reaches whom: what is allowed works, and nothing else does."""

from collections.abc import Iterator

import pytest

from support import kind

pytestmark = pytest.mark.short

OURS = {"app.kubernetes.io/name": "retail-orders", "app.kubernetes.io/instance": "retail"}
CONNECT = """
import socket
try:
    socket.create_connection(({host!r}, {port}), timeout=3).close()
    print("reached")
except socket.gaierror as error:
    print("no such name:", error)
except OSError:
    print("blocked")
"""


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    """A pod in our namespace that is not ours."""
    with kind.pod_of_ours("stranger", {"app": "stranger"}) as name:
        yield name


def reach(pod: str, host: str, port: int, container: str | None = None) -> str:
    return kind.python(pod, CONNECT.format(host=host, port=port), container=container)


def address(component: str) -> str:
    return str(kind.pods(component)[0]["status"]["podIP"])


@pytest.mark.parametrize(("host", "port"), [("mongodb-0.mongodb", 27017), ("retail-kafka-bootstrap", 9093)])
def test_a_stranger_reaches_no_server(stranger: str, host: str, port: int) -> None:
    """MongoDB and Kafka refuse the connection of a pod that is not ours."""
    assert reach(stranger, host, port) == "blocked"


@pytest.mark.parametrize("component", kind.COMPONENTS)
@pytest.mark.parametrize("port", [9090, 8443, 8080])
def test_a_stranger_reaches_no_port_of_ours(stranger: str, component: str, port: int) -> None:
    """Neither the admin port, nor the door behind the gateway's back, nor the API without TLS."""
    assert reach(stranger, address(component), port) == "blocked"


@pytest.mark.parametrize(
    ("component", "host", "port"),
    [
        ("order-api", "mongodb-0.mongodb", 27017),
        ("order-api", "retail-kafka-bootstrap", 9093),
        ("order-api", "retail-auth-api", 8443),
        ("auth-api", "mongodb-0.mongodb", 27017),
        ("order-processor", "mongodb-0.mongodb", 27017),
        ("order-processor", "retail-kafka-bootstrap", 9093),
        ("order-processor", "retail-order-api", 9090),
        ("order-processor", "retail-auth-api", 9090),
    ],
)
def test_every_allowed_path_works(component: str, host: str, port: int) -> None:
    """What a service needs it reaches."""
    assert reach(f"deployment/retail-{component}", host, port, container=component) == "reached"


@pytest.mark.parametrize(
    ("component", "host", "port"),
    [
        ("auth-api", "retail-kafka-bootstrap", 9093),
        ("auth-api", "retail-order-api", 8443),
        ("order-api", "retail-order-api", 8443),
        ("order-api", "retail-auth-api", 9090),
        ("order-processor", "retail-order-api", 8443),
        ("order-api", "kubernetes.default", 443),
        ("auth-api", "kubernetes.default", 443),
        ("order-processor", "kubernetes.default", 443),
    ],
)
def test_what_a_service_does_not_need_it_does_not_reach(component: str, host: str, port: int) -> None:
    """Not each other's doors, not the API server."""
    assert reach(f"deployment/retail-{component}", host, port, container=component) == "blocked"
