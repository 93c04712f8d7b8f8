"""The local HTTPS proxy: its own responses, and what it forwards to a service that fails on request."""

import json
import socket
import ssl
from collections.abc import Iterator
from functools import partial

import pytest

from support.local_proxy import running
from support.raw_https import HOST, FaultyService, RawHttpsClient, assert_problem


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawHttpsClient]:
    """A client of the proxy; auth-api behind it is down, and only one of its two order-api replicas runs."""
    with running(tmp_path_factory.mktemp("proxy"), {}) as client:
        yield client


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


def test_request_line_without_a_version_is_rejected(client: RawHttpsClient) -> None:
    """A response in HTTP/0.9 is the body alone."""
    with (
        socket.create_connection(("127.0.0.1", client.port), timeout=10) as plain,
        client._context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"GET /order\r\n")
        body = b"".join(iter(partial(connection.recv, 65536), b""))

    assert json.loads(body)["status"] == 400


def test_plain_http_on_the_https_port_returns_400(client: RawHttpsClient) -> None:
    answer = client.raw(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode(), tls=False)

    assert_problem(answer, 400)
    assert answer
    assert "https://" in answer.json()["detail"]


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
    answer = client.ask("GET / HTTP/3.0")

    assert_problem(answer, 505)
    assert answer.json()["detail"] == "Use HTTP/1.1."


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


def test_path_and_response_are_forwarded_unchanged(client: RawHttpsClient) -> None:
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


def test_connection_with_incomplete_headers_is_closed_within_8_seconds(client: RawHttpsClient) -> None:
    assert client.raw(b"GET / HT", seconds=8) is None


def test_slow_body_reaches_the_service_only_when_complete(client: RawHttpsClient) -> None:
    """The proxy buffers a body that arrives in two halves, and forwards the request only when it is complete."""
    context = client._context
    with (
        socket.create_connection(("127.0.0.1", client.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(f"POST /die HTTP/1.1\r\n{HOST}Content-Length: 10\r\n\r\n12345".encode())
        before = FaultyService.deaths
        assert client.ask("GET /order HTTP/1.1").status == 200
        assert FaultyService.deaths == before

        connection.sendall(b"67890")

        assert connection.recv(12).endswith(b"503")
        assert FaultyService.deaths == before + 1


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"])
def test_cipher_with_cbc_is_rejected(client: RawHttpsClient, cipher: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(cipher)

    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)
