"""The gunicorn worker of both APIs, driven over raw connections."""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from support.wait import until
from support.worker_server import THREADS, WorkerServer

Start = Callable[..., WorkerServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a server and waits until it serves."""
    with ExitStack() as ends:

        def begin(*options: str, **environ: str) -> WorkerServer:
            server = WorkerServer(tmp_path, *options, **environ)
            ends.callback(lambda: server.process.poll() is None and server.stop())
            until(server.is_serving, "gunicorn to serve", seconds=60)
            return server

        yield begin


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerServer]:
    """A server shared by the tests that do not change its state."""
    shared = WorkerServer(tmp_path_factory.mktemp("worker"), TRANSFER_SECONDS="1")
    until(shared.is_serving, "gunicorn to serve", seconds=60)
    yield shared
    shared.stop()


def test_connection_is_reused_for_more_requests(server: WorkerServer) -> None:
    with server.client() as client:
        answers = [client.get(path) for path in ("a", "b", "c")]

    assert [body for _, _, body in answers] == [b"a", b"b", b"c"]
    assert all("Connection: keep-alive" in head for _, head, _ in answers)


@pytest.mark.parametrize(("version", "header"), [("1.0", ""), ("1.1", "Connection: close\r\n")])
def test_connection_closes_when_the_client_asks_for_it(server: WorkerServer, version: str, header: str) -> None:
    with server.client() as client:
        client.send(f"GET /a HTTP/{version}\r\nHost: api\r\n{header}\r\n")

        assert client.read()[0] == 200
        assert client.is_closed()


def test_pipelined_requests_get_responses_in_order(server: WorkerServer) -> None:
    with server.client() as client:
        client.send("".join(f"GET /{n} HTTP/1.1\r\nHost: api\r\n\r\n" for n in range(20)))

        assert [client.read()[2] for _ in range(20)] == [str(n).encode() for n in range(20)]


def test_idle_connections_occupy_no_thread(server: WorkerServer) -> None:
    with ExitStack() as ends:
        clients = [ends.enter_context(server.client()) for _ in range(10 * THREADS)]
        for _ in range(2):
            assert [client.get("a")[0] for client in clients] == [200] * len(clients)


def test_requests_that_wait_for_a_thread_get_responses(server: WorkerServer) -> None:
    with ExitStack() as ends:
        clients = [ends.enter_context(server.client()) for _ in range(5 * THREADS)]
        for client in clients:
            client.send("GET /pause HTTP/1.1\r\nHost: api\r\n\r\n")

        assert [client.read()[0] for client in clients] == [200] * len(clients)


def test_silent_client_is_disconnected(server: WorkerServer) -> None:
    with server.client() as client:
        assert client.is_closed()


def test_client_silent_inside_a_request_is_disconnected(server: WorkerServer) -> None:
    with ExitStack() as ends:
        clients = [ends.enter_context(server.client()) for _ in range(THREADS)]
        for client in clients:
            client.send("GET /a HTTP/1.1\r\nHost:")

        assert [client.is_closed() for client in clients] == [True] * THREADS
    assert server.is_serving()


def test_client_that_sends_a_byte_at_a_time_is_disconnected(server: WorkerServer) -> None:
    with server.client() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 1000\r\n\r\n")
        started = time.monotonic()
        with pytest.raises(OSError, match=r"Broken pipe|reset"):  # noqa: PT012 - how many bytes it takes is not known
            while time.monotonic() < started + 20:
                client.send("x")
                time.sleep(0.1)
    assert server.is_serving()


def test_thread_becomes_free_although_its_client_reads_nothing(server: WorkerServer) -> None:
    with ExitStack() as ends:
        for _ in range(THREADS):
            client = ends.enter_context(server.client())
            client.send("GET /large HTTP/1.1\r\nHost: api\r\n\r\n")
        until(server.is_serving, "a free thread", seconds=20)


def test_client_disconnect_is_not_logged_as_error(server: WorkerServer) -> None:
    before = server.errors()
    for text in ("GET /a HTTP/1.1\r\nHo", "GET /large HTTP/1.1\r\nHost: api\r\n\r\n", ""):
        with server.client() as client:
            client.send(text)
    with server.client() as client:
        client.send("GET /pause HTTP/1.1\r\nHost: api\r\n\r\n")
        # so that closing the socket resets the connection
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert server.is_serving()
    assert server.errors() == before


@pytest.mark.parametrize(("length", "status"), [(1000, 200), (60_000, 200), (3_000_000, 0)])
def test_unread_body_is_skipped_up_to_a_limit(server: WorkerServer, length: int, status: int) -> None:
    with server.client() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: api\r\nContent-Length: {length}\r\n\r\n")
        try:
            client.send("x" * length)
            first = client.read()[0]
            second = client.get("b")[0]
        except OSError:
            first, second = 200, 0

    assert (first, second) == (200, status)


def test_expect_continue_gets_100_continue(server: WorkerServer) -> None:
    with server.client() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send("ab")

        assert client.read()[::2] == (200, b"ab")


def test_unexpected_exception_returns_503(server: WorkerServer) -> None:
    with server.client() as client:
        status, head, body = client.get("fail")

        assert status == json.loads(body)["status"] == 503
        assert "Content-Type: application/problem+json" in head
        assert client.is_closed()
    assert any("Error handling request" in error for error in server.errors())


def test_unexpected_exception_after_the_headers_closes_the_connection(server: WorkerServer) -> None:
    with server.client() as client:
        assert client.get("fail-late")[2] == b"part"
    assert "Error after the start of a response" in server.errors()
    assert server.is_serving()


def test_connection_beyond_the_limit_waits_until_another_closes(start: Start) -> None:
    server = start("--worker-connections", "2")
    with server.client() as first, server.client() as second, server.client() as third:
        second.send("GET /gate HTTP/1.1\r\nHost: api\r\n\r\n")
        until(lambda: "waiting" in server.log(), "the request to arrive")
        third.send("GET /b HTTP/1.1\r\nHost: api\r\n\r\n")
        third.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            third.socket.recv(1, socket.MSG_PEEK)
        third.socket.settimeout(20)

        status, head, _ = first.get("open")
        assert (status, "Connection: close" in head) == (200, True)  # because the limit of two connections is reached
        assert second.read()[0] == third.read()[0] == 200


def test_idle_connection_is_closed_after_keepalive_timeout(start: Start) -> None:
    server = start("--keep-alive", "1")
    with server.client() as client:
        assert client.get("a")[0] == 200
        assert client.is_closed()


def test_stop_finishes_requests_in_flight_and_closes_connections(start: Start) -> None:
    server = start(STOP_LINGER_SECONDS="20")
    with server.client() as waiting, server.client() as idle:
        assert idle.get("a")[0] == 200
        waiting.send("GET /gate HTTP/1.1\r\nHost: api\r\n\r\n")
        until(lambda: "waiting" in server.log(), "the request to arrive")
        server.process.terminate()
        until(lambda: _refuses(server.port), "the listener to close")

        status, head, _ = idle.get("open")  # a request that arrives after the stop signal is still served
        assert (status, "Connection: close" in head) == (200, True)
        status, head, _ = waiting.read()
        assert (status, "Connection: close" in head) == (200, True)
        assert server.process.wait(20) == 0
    assert "finished" in server.log()
    assert server.errors() == []


def test_stop_closes_idle_connections(start: Start) -> None:
    server = start()
    with server.client() as kept, server.client() as silent:
        assert kept.get("a")[0] == 200
        server.process.terminate()

        assert kept.is_closed()
        assert silent.is_closed()
        assert server.process.wait(20) == 0
    assert "finished" in server.log()


def test_stop_waits_no_longer_than_the_graceful_timeout(start: Start) -> None:
    server = start("--graceful-timeout", "1")
    with server.client() as client:
        client.send("GET /gate HTTP/1.1\r\nHost: api\r\n\r\n")
        until(lambda: "waiting" in server.log(), "the request to arrive")
        server.process.terminate()

        assert server.process.wait(15) == 0


def test_worker_stops_when_its_parent_is_killed(start: Start) -> None:
    server = start()
    (worker,) = server.workers()
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(10)

    until(lambda: not psutil.pid_exists(worker), "the worker to stop", seconds=20)


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
