"""What the HTTPS edge answers by itself, and what it lets through, with a service that misbehaves as asked."""

import os
import socket
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from local_stack import edge
from local_stack.certificates import Authority
from local_stack.options import Folders, StackOptions
from local_stack.supervisor import Supervisor
from support.raw_https import HOST, Answer, FaultyService, RawHttpsClient


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawHttpsClient]:
    """An edge before one order-api of two, and no auth-api."""
    root = tmp_path_factory.mktemp("door")
    folders, ports = Folders(root), StackOptions(root=root).choose_ports()
    authority = Authority(folders.certificates)
    upstreams = {"order-api": [ports.order_api, ports.order_api + 1], "auth-api": [ports.auth_api]}
    lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR)
    server = ThreadingHTTPServer(("127.0.0.1", ports.order_api), FaultyService)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    supervisor = Supervisor(lock=lock, file=root / "stack.json", on_change=lambda: None, say=print)
    supervisor.add([edge.part(folders, authority, port=ports.edge, upstreams=upstreams)])
    supervisor.start("edge")
    supervisor.await_ready("edge", seconds=20)
    yield RawHttpsClient(ports.edge, authority.certificate)
    supervisor.close()
    server.shutdown()
    server.server_close()
    os.close(lock)


def assert_problem(answer: Answer | None, status: int) -> None:
    assert answer
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    assert answer.headers["server"] == "nginx"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["strict-transport-security"].startswith("max-age=")


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
def test_what_is_no_http_request_is_400(client: RawHttpsClient, line: bytes) -> None:
    assert_problem(client.raw(line), 400)


def test_plain_http_at_the_https_port_is_400(client: RawHttpsClient) -> None:
    assert_problem(client.raw(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode(), tls=False), 400)


def test_trace_and_connect_are_405_with_allow(client: RawHttpsClient) -> None:
    for line in ("TRACE / HTTP/1.1", "CONNECT localhost:80 HTTP/1.1"):
        answer = client.ask(line)

        assert_problem(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"


def test_a_body_over_64_kib_is_413_and_one_of_64_kib_passes(client: RawHttpsClient) -> None:
    body = b"x" * 65536

    assert_problem(client.ask("POST /order HTTP/1.1", "Content-Length: 65537\r\n"), 413)
    chunked = b"10001\r\n" + body + b"x\r\n0\r\n\r\n"
    assert_problem(client.ask("POST /order HTTP/1.1", "Transfer-Encoding: chunked\r\n", chunked), 413)
    assert client.ask("POST /order HTTP/1.1", "Content-Length: 65536\r\n", body).json()["length"] == 65536


def test_a_long_request_line_is_414_and_a_long_header_431(client: RawHttpsClient) -> None:
    assert_problem(client.ask(f"GET /{'a' * 9000} HTTP/1.1"), 414)
    assert_problem(client.ask("GET /order HTTP/1.1", f"X-Long: {'a' * 9000}\r\n"), 431)
    assert_problem(client.ask("GET /order HTTP/1.1", "".join(f"X-{n}: {'a' * 8000}\r\n" for n in range(5))), 431)


def test_an_unknown_version_of_http_is_505(client: RawHttpsClient) -> None:
    assert_problem(client.ask("GET / HTTP/3.0"), 505)


def test_a_service_that_cannot_be_reached_is_503_and_nothing_was_done(client: RawHttpsClient) -> None:
    answer = client.ask("POST /api/users HTTP/1.1", "Content-Length: 2\r\n", b"{}")

    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "unavailable"
    assert answer.json()["instance"] == "/api/users"


def test_a_post_whose_service_dies_in_the_middle_is_503_of_unknown_outcome_and_sent_once(
    client: RawHttpsClient,
) -> None:
    before = FaultyService.deaths

    answer = client.ask("POST /die HTTP/1.1", "Content-Length: 2\r\n", b"{}")

    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "outcome-unknown"
    assert FaultyService.deaths == before + 1


def test_a_get_whose_service_dies_is_503_unavailable(client: RawHttpsClient) -> None:
    answer = client.ask("GET /die HTTP/1.1")

    assert_problem(answer, 503)
    assert answer.json()["type"] == "unavailable"


def test_a_post_goes_to_the_other_replica_when_the_first_takes_no_connection(client: RawHttpsClient) -> None:
    for _ in range(4):
        assert client.ask("POST /order HTTP/1.1", "Content-Length: 2\r\n", b"{}").status == 200


def test_the_clients_address_is_the_edges_word(client: RawHttpsClient) -> None:
    seen = client.ask("GET /order HTTP/1.1", "X-Forwarded-For: 203.0.113.9\r\n").json()["headers"]

    assert seen["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize(("given", "kept"), [("abc.DEF-1_2", True), ("a b", False), ("x" * 129, False), ('"', False)])
def test_a_request_id_is_passed_on_if_it_is_well_formed_and_else_made(
    client: RawHttpsClient, given: str, kept: bool
) -> None:
    seen = client.ask("GET /order HTTP/1.1", f"X-Request-ID: {given}\r\n").json()["headers"]["X-Request-ID"]
    refused = client.ask("TRACE / HTTP/1.1", f"X-Request-ID: {given}\r\n")

    assert (seen == given) == kept
    assert (refused.headers["x-request-id"] == given) == kept
    assert len(seen) in {11, 32}


def test_what_the_service_says_is_passed_as_it_is(client: RawHttpsClient) -> None:
    answer = client.ask("GET /order/../metrics?x=%22 HTTP/1.1")

    assert answer.json()["path"] == "/order/../metrics?x=%22"
    assert answer.headers["strict-transport-security"] == "max-age=1"


def test_the_edges_own_pages_cannot_be_asked_for(client: RawHttpsClient) -> None:
    assert_problem(client.ask("GET /.problem/503 HTTP/1.1"), 404)
    assert_problem(client.ask("GET /.problem/body HTTP/1.1"), 404)


def test_a_path_that_json_would_escape_is_left_out_of_the_answer(client: RawHttpsClient) -> None:
    answer = client.ask('GET /api/"},{" HTTP/1.1')

    assert_problem(answer, 503)
    assert answer.json()["instance"] == "/"


def test_a_client_that_is_slow_with_its_headers_is_cut_off_after_5_seconds(client: RawHttpsClient) -> None:
    assert client.raw(b"GET / HT", seconds=8) is None


def test_a_slow_client_keeps_no_service_waiting(client: RawHttpsClient) -> None:
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
