"""The admin port reports the state of the process, and exposes nothing else."""

import errno
import socket
import struct
import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from shared.telemetry import admin
from shared.telemetry.admin import AdminServer
from support.wait import until


class Health:
    live: str | None = None
    ready: str | None = None


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def url(health: Health) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("things_total", "Things.", registry=registry).inc(3, {"trace_id": "4bf92f35"})
    server = AdminServer(("127.0.0.1", 0), registry, live=lambda: health.live, ready=lambda: health.ready)
    yield f"http://127.0.0.1:{server.port}"
    server.close()
    # A request that is still in progress could write its log line during a later test.
    until(lambda: not any("process_request" in thread.name for thread in threading.enumerate()), "the last request")


def test_probes_return_200_when_every_check_passes(url: str) -> None:
    assert httpx.get(f"{url}/livez").status_code == 200
    assert httpx.get(f"{url}/readyz").status_code == 200


def test_failing_probe_names_the_problem(url: str, health: Health) -> None:
    health.ready = "MongoDB does not answer"

    answer = httpx.get(f"{url}/readyz")

    assert (answer.status_code, answer.text) == (503, "MongoDB does not answer")
    assert httpx.get(f"{url}/livez").status_code == 200


def test_metrics_are_in_the_prometheus_format(url: str) -> None:
    answer = httpx.get(f"{url}/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "things_total 3.0" in answer.text


def test_metrics_have_exemplars_when_prometheus_asks_for_openmetrics(url: str) -> None:
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.2"
    answer = httpx.get(f"{url}/metrics", headers={"Accept": prometheus})

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert 'things_total 3.0 # {trace_id="4bf92f35"} 3.0' in answer.text


def test_unknown_path_returns_404(url: str) -> None:
    assert httpx.get(f"{url}/order").status_code == 404


def test_post_returns_405_and_no_server_header(url: str) -> None:
    answer = httpx.post(f"{url}/livez")

    assert (answer.status_code, answer.text) == (405, "Method Not Allowed. GET or HEAD /livez, /readyz or /metrics")
    assert "Server" not in answer.headers


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/unknown"])
def test_head_returns_the_status_and_no_body(url: str, path: str) -> None:
    head, get = httpx.head(url + path), httpx.get(url + path)

    assert (head.status_code, head.headers["Content-Type"]) == (get.status_code, get.headers["Content-Type"])
    assert head.content == b""


def test_query_string_is_ignored(url: str) -> None:
    assert httpx.get(f"{url}/livez?verbose=1").status_code == 200
    assert "things_total" in httpx.get(f"{url}/metrics?name[]=x").text


def test_silent_client_does_not_block_the_probes(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as silent:
        silent.sendall(b"GET /livez HT")

        assert httpx.get(f"{url}/livez", timeout=2).status_code == 200


def test_client_errors_go_to_the_log_and_not_to_stderr(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    host, port = url.removeprefix("http://").split(":")
    with capture_logs() as lines:
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"POST / HTTP/1.1\r\n\r\n")
            rejection = client.recv(100)
        with socket.create_connection((host, int(port))) as client:
            # with this option, closing the socket resets the connection
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: {line["event"] for line in lines} == {"admin_bad_request", "admin_request_failed"}, "both")

    assert b" 405 " in rejection
    assert [line["detail"] for line in lines if line["event"] == "admin_bad_request"] == ["status 501"]
    assert capsys.readouterr().err == ""


def test_admin_port_for_every_address_uses_ipv4_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without IPv6, `::` (every address) means all IPv4 addresses; `::1`, a single IPv6 address, remains an error."""

    class NoIpv6(admin._Server6):
        def __init__(self, *_: object) -> None:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(admin, "_Server6", NoIpv6)
    server = AdminServer(("::", 0), CollectorRegistry(), live=lambda: None, ready=lambda: None)
    try:
        assert httpx.get(f"http://127.0.0.1:{server.port}/livez").status_code == 200
        with pytest.raises(OSError, match="not supported"):
            AdminServer(("::1", 0), CollectorRegistry(), live=lambda: None, ready=lambda: None)
    finally:
        server.close()
