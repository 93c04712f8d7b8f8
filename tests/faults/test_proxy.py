"""Each toxic of the proxy has its effect; if a toxic did nothing, the rows that use it would prove nothing."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from faults.harness.proxy import Proxy
from support import wait


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with Proxy(server.server_address[1]) as proxy:
                yield proxy
        finally:
            server.shutdown()
            thread.join()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def round_trip(line: socket.socket, data: bytes) -> float:
    started = time.monotonic()
    line.sendall(data)
    back = b""
    while len(back) < len(data):
        piece = line.recv(65536)
        if not piece:
            raise ConnectionResetError
        back += piece
    assert back == data
    return time.monotonic() - started


def test_proxy_without_toxics_forwards_bytes_unchanged(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4096
    with connect(proxy) as line:
        assert round_trip(line, data) < 2


def test_latency_delays_both_directions_without_limiting_throughput(proxy: Proxy) -> None:
    proxy.toxics.latency, proxy.toxics.jitter = 0.2, 0.05
    with connect(proxy) as line:
        assert 0.3 <= round_trip(line, b"x" * 1_000_000) < 2


def test_black_hole_forwards_nothing_until_it_is_removed(proxy: Proxy) -> None:
    with connect(proxy) as line:
        round_trip(line, b"before")
        proxy.toxics.hole = True
        line.sendall(b"during")
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(100)
        proxy.heal()
        line.settimeout(5)

        assert line.recv(100) == b"during"


def test_reset_closes_all_connections_but_new_ones_are_accepted(proxy: Proxy) -> None:
    with connect(proxy) as line, connect(proxy) as other:
        round_trip(line, b"x")
        round_trip(other, b"x")

        assert proxy.reset() == 2
        for each in (line, other):
            with pytest.raises(ConnectionResetError):
                each.recv(100)
    with connect(proxy) as line:
        round_trip(line, b"x")


def test_sliced_data_arrives_in_small_pieces(proxy: Proxy) -> None:
    proxy.toxics.slice_bytes = 3
    with connect(proxy) as line:
        round_trip(line, b"x" * 3000)
        line.sendall(b"y" * 300)

        assert len(line.recv(65536)) < 300


def test_bandwidth_is_limited(proxy: Proxy) -> None:
    proxy.toxics.bytes_per_second = 20_000
    with connect(proxy) as line:
        assert round_trip(line, b"x" * 10_000) >= 0.5


def test_healed_proxy_accepts_connections_on_the_same_port(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(OSError, match=r"refused|reset"):
        connect(proxy)
    proxy.heal()

    with wait.until(lambda: connect(proxy), "a connection", seconds=5) as line:
        round_trip(line, b"x")
