"""The local proxy's limits, its keep-alive time, its log, and the count of its own responses."""

import http.client
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from local_stack import proxy
from shared.http.proxy_statuses import count_proxy_statuses
from support import wait
from support.free_ports import free_port
from support.local_proxy import running
from support.raw_https import HOST, FaultyService, assert_problem


def test_request_above_a_replicas_capacity_returns_503(tmp_path: Path) -> None:
    FaultyService.released.clear()
    FaultyService.slow = 0
    with (
        running(tmp_path, {"PROXY_REQUESTS_PER_REPLICA": "2"}, with_auth_api=True) as client,
        ThreadPoolExecutor() as pool,
    ):
        slow = [pool.submit(client.ask, "GET /api/slow HTTP/1.1") for _ in range(2)]
        wait.until(lambda: FaultyService.slow == 2, "two requests at the service")

        rejected = client.ask("POST /api/users HTTP/1.1", "Content-Length: 2\r\n", b"{}")
        FaultyService.released.set()

        assert_problem(rejected, 503)
        assert rejected.json()["type"] == "unavailable"
        assert rejected.headers["retry-after"] == "1"
        assert [request.result().status for request in slow] == [200, 200]
        assert client.ask("GET /api/x HTTP/1.1").status == 200


def test_token_above_its_limit_gets_429_while_another_is_served(tmp_path: Path) -> None:
    FaultyService.released.clear()
    FaultyService.slow = 0
    one, other = (f"Authorization: Bearer {'h' * 300}.e30.{last * 86}\r\n" for last in "st")
    with (
        running(tmp_path, {"PROXY_REQUESTS_PER_TOKEN": "2"}, with_auth_api=True) as client,
        ThreadPoolExecutor() as pool,
    ):
        slow = [pool.submit(client.ask, "GET /api/slow HTTP/1.1", one) for _ in range(2)]
        wait.until(lambda: FaultyService.slow == 2, "two requests at the service")
        rejected, served = client.ask("GET /api/x HTTP/1.1", one), client.ask("GET /api/x HTTP/1.1", other)
        FaultyService.released.set()

        assert_problem(rejected, 429)
        assert served.status == 200
        assert [request.result().status for request in slow] == [200, 200]


def test_address_above_its_request_limit_gets_429_and_is_disconnected(tmp_path: Path) -> None:
    with running(tmp_path, {"PROXY_UNAUTHENTICATED_BURST": "2", "PROXY_UNAUTHENTICATED_PER_SECOND": "1"}) as client:
        answers = [client.raw(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(5)]

        assert [answer.status for answer in answers if answer][:3] == [200, 200, 200]
        assert_problem(answers[-1], 429)
        assert answers[-1]
        assert answers[-1].headers["retry-after"] == "1"
        assert answers[-1].headers["connection"] == "close"
        assert client.ask("GET /x HTTP/1.1", "Authorization: Bearer a.b.c\r\n").status == 200


def test_proxy_counts_only_its_own_responses(tmp_path: Path) -> None:
    registry, port = CollectorRegistry(), free_port()
    stop = count_proxy_statuses(("127.0.0.1", port), registry)

    def counted() -> dict[str, float]:
        (family,) = registry.collect()
        found = {sample.labels["status"]: sample.value for sample in family.samples if sample.name.endswith("_total")}
        return {status: count for status, count in found.items() if count}

    with running(tmp_path, {}, status_port=port) as client:
        wait.until(lambda: client.ask("TRACE / HTTP/1.1").status and counted(), "a counted response", seconds=20)
        for _ in range(4):  # not counted: the proxy tries the other replica
            assert client.ask("GET /order?userid=ada HTTP/1.1").status == 200
        client.ask("POST /order HTTP/1.1", "Content-Length: 65537\r\n")
        client.ask(f"GET /{'a' * 9000} HTTP/1.1")
        client.ask("GET /order HTTP/1.1", f"X-Long: {'a' * 9000}\r\n")
        client.raw(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode(), tls=False)
        client.ask("GET /die HTTP/1.1")
        client.ask("GET /shop/shop.css HTTP/1.1")
        client.ask("GET /api/token HTTP/1.1")
        wait.until(lambda: counted().get("503") == 2, "the last response", seconds=20)
    stop()

    assert counted() | {"405": 1} == {"200": 1, "400": 1, "405": 1, "413": 1, "414": 1, "431": 1, "503": 2}


def test_unreachable_service_leaves_no_query_in_the_log(tmp_path: Path) -> None:
    with running(tmp_path, {}) as client:
        assert client.ask("GET /api/token?userid=grace HTTP/1.1").status == 503
        assert client.ask("POST /die?userid=grace HTTP/1.1", "Content-Length: 20000\r\n", b"x" * 20000).status == 503
        log = tmp_path / "log/proxy.log"
        text = wait.until(lambda: t if (t := log.read_text()).count('"event":"request"') == 2 else None, "two lines")

    assert '"path":"/die"' in text
    assert "grace" not in text  # unlike ada, no part of a random request id in hexadecimal


def test_proxy_logs_the_path_without_the_query(tmp_path: Path) -> None:
    with running(tmp_path, {}) as client:
        client.ask("GET /orderdetails?userid=grace HTTP/1.1")
        client.ask("GET /\u00e9?userid=grace HTTP/1.1")
        log = tmp_path / "log/proxy.log"
        text = wait.until(lambda: t if (t := log.read_text()).count('"event":"request"') == 2 else None, "two lines")

    assert '"method":"GET","path":"/orderdetails"' in text
    assert "grace" not in text


def test_connection_is_reusable_for_as_long_as_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tenth of the real times, requests just before and after the announced end of a connection succeed."""
    rules = proxy.RULES.read_text(encoding="utf-8")
    assert "keepalive_timeout 40s 30s;" in rules
    (tmp_path / "rules.conf").write_text(rules.replace("keepalive_timeout 40s 30s;", "keepalive_timeout 4s 3s;"))
    monkeypatch.setattr(proxy, "RULES", tmp_path / "rules.conf")

    def get_twice(delay: float) -> int:
        connection = http.client.HTTPSConnection("localhost", client.port, context=context, timeout=10)
        connection.request("GET", "/x")
        first = connection.getresponse()
        first.read()
        announced = int(first.headers["Keep-Alive"].removeprefix("timeout="))
        time.sleep(announced - 0.05 + delay)
        connection.auto_open = 0  # a request on a closed connection must fail, not open a new one
        connection.request("GET", "/x")
        status = connection.getresponse().status
        connection.close()
        return status

    with running(tmp_path, {}) as client, ThreadPoolExecutor(40) as pool:
        context = ssl.create_default_context(cafile=client.ca)
        statuses = list(pool.map(get_twice, [n / 200 for n in range(40)]))

    assert statuses == [200] * 40
