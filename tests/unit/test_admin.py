"""The admin port tells the truth about the process, and nothing else."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from shared.admin import AdminServer


class Health:
    live: str | None = None
    ready: str | None = None


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def url(health: Health) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("things_total", "Things.", registry=registry).inc(3)
    server = AdminServer(("127.0.0.1", 0), registry, live=lambda: health.live, ready=lambda: health.ready)
    yield f"http://127.0.0.1:{server.port}"
    server.close()


def test_probes_answer_200_while_all_is_well(url: str) -> None:
    assert httpx.get(f"{url}/livez").status_code == 200
    assert httpx.get(f"{url}/readyz").status_code == 200


def test_a_probe_that_fails_says_why(url: str, health: Health) -> None:
    health.ready = "MongoDB does not answer"

    answer = httpx.get(f"{url}/readyz")

    assert (answer.status_code, answer.text) == (503, "MongoDB does not answer")
    assert httpx.get(f"{url}/livez").status_code == 200


def test_metrics_are_in_the_prometheus_format(url: str) -> None:
    answer = httpx.get(f"{url}/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "things_total 3.0" in answer.text


def test_anything_else_is_not_there(url: str) -> None:
    assert httpx.get(f"{url}/order").status_code == 404


def test_a_silent_client_does_not_hold_up_the_probes(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as silent:
        silent.sendall(b"GET /livez HT")

        assert httpx.get(f"{url}/livez", timeout=2).status_code == 200
