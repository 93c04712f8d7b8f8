"""The network policies allow exactly the connections that are needed."""

import itertools

import pytest

from support import kind

pytestmark = pytest.mark.short

SERVERS = {("mongodb-0.mongodb", 27017), ("retail-kafka-bootstrap", 9093)}
DOORS = {("retail-order-api", 8443), ("retail-auth-api", 8443)}
API_SERVER = ("kubernetes.default", 443)
ADMIN = {("retail-order-api", 9090), ("retail-auth-api", 9090)}
ALLOWED = {
    "order-api": {*SERVERS, ("retail-auth-api", 8443)},
    "auth-api": {("mongodb-0.mongodb", 27017)},
    "order-processor": SERVERS,
    "operator": {*SERVERS, *ADMIN},
}
CONNECT = """
import socket
def reach(host, port):
    for _ in range(2): # name resolution may need a retry on a busy machine
        try:
            socket.create_connection((host, port), timeout=4).close()
            return "reached"
        except socket.gaierror as error:
            answer = f"no such name: {error}"
        except OSError:
            answer = "blocked"
    return answer
"""


def reach(pod: str, addresses: set[tuple[str, int]], container: str | None = None) -> dict[tuple[str, int], str]:
    """Try to connect from a pod to each address; return `reached`, `blocked` or an error for each."""
    expressions = {f"reach({host!r}, {port})": (host, port) for host, port in addresses}
    answers = kind.evaluate(pod, CONNECT, list(expressions), container=container)
    return {expressions[text]: answer for text, answer in answers.items()}


def test_foreign_pod_in_the_namespace_reaches_nothing() -> None:
    """A pod outside the release reaches no server, API, proxy or admin port."""
    pods = [str(kind.pods(component)[0]["status"]["podIP"]) for component in kind.COMPONENTS]
    addresses = {*SERVERS, *DOORS, *ADMIN, *itertools.product(pods, (8080, 8443, 9090))}
    with kind.idle_pod("stranger", {"app": "stranger"}) as stranger:
        answers = reach(stranger, addresses)

    assert answers == dict.fromkeys(addresses, "blocked")


@pytest.mark.parametrize("component", ALLOWED)
def test_component_reaches_only_what_it_needs(component: str) -> None:
    """Each component reaches exactly the servers, proxies and admin ports that it needs, and not the Kubernetes API."""
    addresses = {*SERVERS, *DOORS, *ADMIN, API_SERVER}
    answers = reach(f"deployment/retail-{component}", addresses, container=component)

    assert {address for address, answer in answers.items() if answer == "reached"} == ALLOWED[component]
    assert {answer for answer in answers.values() if answer != "reached"} == {"blocked"}
