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
from support.door import HOST, Answer, Door, Service


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """An edge before one order-api of two, and no auth-api."""
    root = tmp_path_factory.mktemp("door")
    folders, ports = Folders(root), StackOptions(root=root).choose_ports()
    authority = Authority(folders.certificates)
    upstreams = {"order-api": [ports.order_api, ports.order_api + 1], "auth-api": [ports.auth_api]}
    lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR)
    server = ThreadingHTTPServer(("127.0.0.1", ports.order_api), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    supervisor = Supervisor(lock=lock, file=root / "stack.json", on_change=lambda: None, say=print)
    supervisor.add([edge.part(folders, authority, port=ports.edge, upstreams=upstreams)])
    supervisor.start("edge")
    supervisor.await_ready("edge", seconds=20)
    yield Door(ports.edge, authority.certificate)
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
def test_what_is_no_http_request_is_400(door: Door, line: bytes) -> None:
    assert_problem(door.raw(line), 400)


def test_plain_http_at_the_https_port_is_400(door: Door) -> None:
    assert_problem(door.raw(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode(), tls=False), 400)


def test_trace_and_connect_are_405_with_allow(door: Door) -> None:
    for line in ("TRACE / HTTP/1.1", "CONNECT localhost:80 HTTP/1.1"):
        answer = door.ask(line)

        assert_problem(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"


def test_a_body_over_64_kib_is_413_and_one_of_64_kib_passes(door: Door) -> None:
    body = b"x" * 65536

    assert_problem(door.ask("POST /order HTTP/1.1", "Content-Length: 65537\r\n"), 413)
    chunked = b"10001\r\n" + body + b"x\r\n0\r\n\r\n"
    assert_problem(door.ask("POST /order HTTP/1.1", "Transfer-Encoding: chunked\r\n", chunked), 413)
    assert door.ask("POST /order HTTP/1.1", "Content-Length: 65536\r\n", body).json()["length"] == 65536


def test_a_long_request_line_is_414_and_a_long_header_431(door: Door) -> None:
    assert_problem(door.ask(f"GET /{'a' * 9000} HTTP/1.1"), 414)
    assert_problem(door.ask("GET /order HTTP/1.1", f"X-Long: {'a' * 9000}\r\n"), 431)
    assert_problem(door.ask("GET /order HTTP/1.1", "".join(f"X-{n}: {'a' * 8000}\r\n" for n in range(5))), 431)


def test_an_unknown_version_of_http_is_505(door: Door) -> None:
    assert_problem(door.ask("GET / HTTP/3.0"), 505)


def test_a_service_that_cannot_be_reached_is_503_and_nothing_was_done(door: Door) -> None:
    answer = door.ask("POST /api/users HTTP/1.1", "Content-Length: 2\r\n", b"{}")

    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "unavailable"
    assert answer.json()["instance"] == "/api/users"


def test_a_post_whose_service_dies_in_the_middle_is_503_of_unknown_outcome_and_sent_once(door: Door) -> None:
    before = Service.deaths

    answer = door.ask("POST /die HTTP/1.1", "Content-Length: 2\r\n", b"{}")

    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "outcome-unknown"
    assert Service.deaths == before + 1


def test_a_get_whose_service_dies_is_503_unavailable(door: Door) -> None:
    answer = door.ask("GET /die HTTP/1.1")

    assert_problem(answer, 503)
    assert answer.json()["type"] == "unavailable"


def test_a_post_goes_to_the_other_replica_when_the_first_takes_no_connection(door: Door) -> None:
    for _ in range(4):
        assert door.ask("POST /order HTTP/1.1", "Content-Length: 2\r\n", b"{}").status == 200


def test_the_clients_address_is_the_edges_word(door: Door) -> None:
    seen = door.ask("GET /order HTTP/1.1", "X-Forwarded-For: 203.0.113.9\r\n").json()["headers"]

    assert seen["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize(("given", "kept"), [("abc.DEF-1_2", True), ("a b", False), ("x" * 129, False), ('"', False)])
def test_a_request_id_is_passed_on_if_it_is_well_formed_and_else_made(door: Door, given: str, kept: bool) -> None:
    seen = door.ask("GET /order HTTP/1.1", f"X-Request-ID: {given}\r\n").json()["headers"]["X-Request-ID"]
    refused = door.ask("TRACE / HTTP/1.1", f"X-Request-ID: {given}\r\n")

    assert (seen == given) == kept
    assert (refused.headers["x-request-id"] == given) == kept
    assert len(seen) in {11, 32}


def test_what_the_service_says_is_passed_as_it_is(door: Door) -> None:
    answer = door.ask("GET /order/../metrics?x=%22 HTTP/1.1")

    assert answer.json()["path"] == "/order/../metrics?x=%22"
    assert answer.headers["strict-transport-security"] == "max-age=1"


def test_the_edges_own_pages_cannot_be_asked_for(door: Door) -> None:
    assert_problem(door.ask("GET /.door/503 HTTP/1.1"), 404)
    assert_problem(door.ask("GET /.door/problem HTTP/1.1"), 404)


def test_a_path_that_json_would_escape_is_left_out_of_the_answer(door: Door) -> None:
    answer = door.ask('GET /api/"},{" HTTP/1.1')

    assert_problem(answer, 503)
    assert answer.json()["instance"] == "/"


def test_a_client_that_is_slow_with_its_headers_is_cut_off_after_5_seconds(door: Door) -> None:
    assert door.raw(b"GET / HT", seconds=8) is None


def test_a_slow_client_keeps_no_service_waiting(door: Door) -> None:
    """The body comes in two halves: the service hears of the request only when it is complete."""
    context = door._context
    with (
        socket.create_connection(("127.0.0.1", door._port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(f"POST /die HTTP/1.1\r\n{HOST}Content-Length: 10\r\n\r\n12345".encode())
        before = Service.deaths
        assert door.ask("GET /order HTTP/1.1").status == 200
        assert Service.deaths == before

        connection.sendall(b"67890")

        assert connection.recv(12).endswith(b"503")
        assert Service.deaths == before + 1
