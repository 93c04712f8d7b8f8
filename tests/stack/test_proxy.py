"""The answers of the HTTPS proxy itself, and what it passes on, in front of a service that misbehaves on request."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from local_stack import proxy
from local_stack.certificates import Authority
from local_stack.options import Folders, StackOptions
from local_stack.supervisor import Supervisor
from support import wait
from support.raw_https import HOST, FaultyService, RawHttpsClient, assert_problem


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawHttpsClient]:
    """A proxy for two replicas of order-api, of which one runs, and for auth-api, which does not run."""
    with running(tmp_path_factory.mktemp("proxy"), {}) as client:
        yield client


@contextmanager
def running(root: Path, environ: Mapping[str, str], *, with_auth_api: bool = False) -> Iterator[RawHttpsClient]:
    folders, ports = Folders(root), StackOptions(root=root).choose_ports()
    authority = Authority(folders.certificates)
    auth_port = ports["order-api"] if with_auth_api else ports["auth-api"]  # where one service is both
    upstreams = {"order-api": [ports["order-api"], ports["order-api"] + 1], "auth-api": [auth_port]}
    lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR)
    server = ThreadingHTTPServer(("127.0.0.1", ports["order-api"]), FaultyService)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    supervisor = Supervisor(lock=lock, file=root / "stack.json", on_change=lambda: None, say=print)
    links = {"docs; {x} $y": "https://example.com/"}
    supervisor.add(
        [proxy.part(folders, authority, port=ports["proxy"], upstreams=upstreams, environ=environ, links=links)]
    )
    supervisor.start("proxy")
    supervisor.await_ready("proxy", seconds=20)
    yield RawHttpsClient(ports["proxy"], authority.certificate)
    supervisor.close()
    server.shutdown()
    server.server_close()
    os.close(lock)


@pytest.mark.parametrize(
    "line",
    [
        b"hello\r\n\r\n",
        b"\0\x01\x02\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"AB / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /order HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /order HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_malformed_request_returns_400(client: RawHttpsClient, line: bytes) -> None:
    assert_problem(client.raw(line), 400)


def test_plain_http_on_the_https_port_returns_400(client: RawHttpsClient) -> None:
    assert_problem(client.raw(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode(), tls=False), 400)


def test_trace_and_connect_return_405_with_allow(client: RawHttpsClient) -> None:
    for line in ("TRACE /order HTTP/1.1", "CONNECT localhost:80 HTTP/1.1"):
        answer = client.ask(line)

        assert_problem(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"


def test_body_over_64_kib_returns_413_and_64_kib_passes(client: RawHttpsClient) -> None:
    body = b"x" * 65536

    assert_problem(client.ask("POST /order HTTP/1.1", "Content-Length: 65537\r\n"), 413)
    chunked = b"10001\r\n" + body + b"x\r\n0\r\n\r\n"
    assert_problem(client.ask("POST /order HTTP/1.1", "Transfer-Encoding: chunked\r\n", chunked), 413)
    assert client.ask("POST /order HTTP/1.1", "Content-Length: 65536\r\n", body).json()["length"] == 65536


def test_long_request_line_returns_414_and_long_header_431(client: RawHttpsClient) -> None:
    assert_problem(client.ask(f"GET /{'a' * 9000} HTTP/1.1"), 414)
    assert_problem(client.ask("GET /order HTTP/1.1", f"X-Long: {'a' * 9000}\r\n"), 431)
    assert_problem(client.ask("GET /order HTTP/1.1", "".join(f"X-{n}: {'a' * 8000}\r\n" for n in range(5))), 431)


def test_unsupported_http_version_returns_505(client: RawHttpsClient) -> None:
    assert_problem(client.ask("GET / HTTP/3.0"), 505)


def test_unreachable_service_returns_503_unavailable(client: RawHttpsClient) -> None:
    answer = client.ask("POST /api/users HTTP/1.1", "Content-Length: 2\r\n", b"{}")

    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "unavailable"
    assert answer.json()["instance"] == "/api/users"


def test_post_is_sent_once_when_the_service_dies(
    client: RawHttpsClient,
) -> None:
    before = FaultyService.deaths

    answer = client.ask("POST /die HTTP/1.1", "Content-Length: 2\r\n", b"{}")

    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "outcome-unknown"
    assert FaultyService.deaths == before + 1


def test_get_returns_503_unavailable_when_service_dies(client: RawHttpsClient) -> None:
    answer = client.ask("GET /die HTTP/1.1")

    assert_problem(answer, 503)
    assert answer.json()["type"] == "unavailable"


def test_post_goes_to_another_replica_when_one_refuses_connections(client: RawHttpsClient) -> None:
    for _ in range(4):
        assert client.ask("POST /order HTTP/1.1", "Content-Length: 2\r\n", b"{}").status == 200


def test_x_forwarded_for_is_overwritten_with_the_peer_address(client: RawHttpsClient) -> None:
    seen = client.ask("GET /order HTTP/1.1", "X-Forwarded-For: 203.0.113.9\r\n").json()["headers"]

    assert seen["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize(("given", "kept"), [("abc.DEF-1_2", True), ("a b", False), ("x" * 129, False), ('"', False)])
def test_request_id_is_passed_on_only_if_well_formed(client: RawHttpsClient, given: str, kept: bool) -> None:
    seen = client.ask("GET /order HTTP/1.1", f"X-Request-ID: {given}\r\n").json()["headers"]["X-Request-ID"]
    rejected = client.ask("TRACE /order HTTP/1.1", f"X-Request-ID: {given}\r\n")

    assert (seen == given) == kept
    assert (rejected.headers["x-request-id"] == given) == kept
    assert len(seen) in {11, 32}


def test_service_answer_is_passed_on_unchanged(client: RawHttpsClient) -> None:
    answer = client.ask("GET /order/../metrics?x=%22 HTTP/1.1")

    assert answer.json()["path"] == "/order/../metrics?x=%22"
    assert answer.headers["x-service"] == "1"


def test_local_proxy_sends_no_hsts(client: RawHttpsClient) -> None:
    for answer in (client.ask("GET /order HTTP/1.1"), client.ask("TRACE / HTTP/1.1")):
        assert "strict-transport-security" not in answer.headers


def test_internal_locations_of_the_proxy_return_404(client: RawHttpsClient) -> None:
    assert_problem(client.ask("GET /.problem/503 HTTP/1.1"), 404)
    assert_problem(client.ask("GET /.problem/body HTTP/1.1"), 404)


def test_problem_omits_a_path_that_needs_json_escapes(client: RawHttpsClient) -> None:
    answer = client.ask('GET /api/"},{" HTTP/1.1')

    assert_problem(answer, 503)
    assert answer.json()["instance"] == "/"


def test_connection_with_slow_headers_is_closed_after_5_seconds(client: RawHttpsClient) -> None:
    assert client.raw(b"GET / HT", seconds=8) is None


def test_slow_body_reaches_the_service_only_when_complete(client: RawHttpsClient) -> None:
    """The body comes in two halves: the service hears of the request only when it is complete."""
    context = client._context
    with (
        socket.create_connection(("127.0.0.1", client._port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(f"POST /die HTTP/1.1\r\n{HOST}Content-Length: 10\r\n\r\n12345".encode())
        before = FaultyService.deaths
        assert client.ask("GET /order HTTP/1.1").status == 200
        assert FaultyService.deaths == before

        connection.sendall(b"67890")

        assert connection.recv(12).endswith(b"503")
        assert FaultyService.deaths == before + 1


def test_requests_above_a_replicas_capacity_return_503_immediately(tmp_path: Path) -> None:
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


def test_address_above_its_request_limit_gets_429_and_is_disconnected(tmp_path: Path) -> None:
    with running(tmp_path, {"PROXY_UNAUTHENTICATED_BURST": "2", "PROXY_UNAUTHENTICATED_PER_SECOND": "1"}) as client:
        answers = [client.raw(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(5)]

        assert [answer.status for answer in answers if answer][:3] == [200, 200, 200]
        assert_problem(answers[-1], 429)
        assert answers[-1]
        assert answers[-1].headers["retry-after"] == "1"
        assert answers[-1].headers["connection"] == "close"
        assert client.ask("GET /x HTTP/1.1", "Authorization: Bearer a.b.c\r\n").status == 200


def test_log_has_the_path_without_the_query(tmp_path: Path) -> None:
    with running(tmp_path, {}) as client:
        client.ask("GET /orderdetails?userid=ada HTTP/1.1")
        client.ask("GET /\u00e9?userid=ada HTTP/1.1")
        log = tmp_path / "log/proxy.log"
        text = wait.until(lambda: t if (t := log.read_text()).count('"event":"request"') == 2 else None, "two lines")

    assert '"method":"GET","path":"/orderdetails"' in text
    assert "ada" not in text


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"])
def test_cipher_with_cbc_is_rejected(client: RawHttpsClient, cipher: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(cipher)

    with socket.create_connection(("127.0.0.1", client._port), timeout=10) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)
