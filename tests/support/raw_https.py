"""An HTTPS client that sends raw bytes, and an HTTP service that fails on request."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "Host: localhost\r\nConnection: close\r\n"


class FaultyService(BaseHTTPRequestHandler):
    """Returns the request as JSON; `/die…` counts the request and closes the connection without a response.

    The response to `/api/slow` waits until `released` is set, 20 s at most. That to a path that ends with `/large` is
    longer by 300 kB.
    """

    protocol_version = "HTTP/1.1"
    deaths = 0
    slow = 0
    released = threading.Event()

    def do_GET(self) -> None:
        length = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path.startswith("/die"):
            FaultyService.deaths += 1
            self.close_connection = True
            return
        if self.path == "/api/slow":
            FaultyService.slow += 1
            self.released.wait(20)
        answer = {"method": self.command, "path": self.path, "headers": dict(self.headers), "length": length}
        body = json.dumps(answer).encode() + (b" " * 300_000 if self.path.endswith("/large") else b"")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Service", "1")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 512  # connections that wait to be accepted


@contextmanager
def faulty_service(port: int = 0) -> Iterator[int]:
    """Run FaultyService on 127.0.0.1, by default on a free port, until the context ends; yield the port."""
    server = _Server(("127.0.0.1", port), FaultyService)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Answer:
    """A response of the proxy."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RawHttpsClient:
    """Sends raw bytes, by default over TLS; each request has a new connection."""

    def __init__(self, port: int, ca: Path) -> None:
        self.port, self.ca = port, ca
        self._context = ssl.create_default_context(cafile=ca)

    def raw(self, data: bytes, *, tls: bool = True, seconds: float = 10) -> Answer | None:
        """Send bytes; return the response, or None if the connection was closed without one."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as plain:
            connection = self._context.wrap_socket(plain, server_hostname="localhost") if tls else plain
            with connection:
                connection.sendall(data)
                response = HTTPResponse(connection)
                try:
                    response.begin()
                except ConnectionError:
                    return None
                headers = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, headers, response.read())

    def ask(self, line: str, headers: str = "", body: bytes = b"") -> Answer:
        """Send a request with the headers `Host: localhost` and `Connection: close`, and return the response."""
        answer = self.raw(f"{line}\r\n{HOST}{headers}\r\n".encode() + body)
        assert answer
        return answer


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
