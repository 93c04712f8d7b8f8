"""gunicorn logs only JSON lines, from the first to the last, and nothing that a request contained."""

import json
import socket
from typing import Any

import pytest

from support.wait import until
from support.worker_server import WorkerServer

SECRET = "hunter2hunter2"
REQUESTS = {
    "request line": f"GET /hello?{SECRET} {SECRET} HTTP/1.1\r\n\r\n",
    "method": f"{SECRET}<> /hello HTTP/1.1\r\n\r\n",
    "version": f"GET /hello HTTP/{SECRET}\r\n\r\n",
    "header": f"GET /hello HTTP/1.1\r\nHost: api\r\n{SECRET}\r\n\r\n",
    "header name": f"GET /hello HTTP/1.1\r\nHost: api\r\na_{SECRET}: 1\r\n\r\n",
    "query of a failed request": f"GET /fail?{SECRET} HTTP/1.1\r\nHost: api\r\n\r\n",
    "query of a good request": f"GET /hello?{SECRET} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n",
}


def answer(port: int, request: str) -> bytes:
    """Return all bytes until the server closes the connection, or none if the connection is refused or reset."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(request.encode())
            return b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionError:
        return b""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """All log lines of a server with LOG_LEVEL=debug that received every request in REQUESTS."""
    server = WorkerServer(tmp_path_factory.mktemp("logs"))
    try:
        until(lambda: answer(server.port, REQUESTS["query of a good request"]), "gunicorn to serve", seconds=60)
        for name, request in REQUESTS.items():
            answered = answer(server.port, request)
            assert answered.startswith(b"HTTP/1.1 "), name
            assert SECRET.encode() not in answered, name
    finally:
        server.stop()
    written = server.log().splitlines()
    # the application prints "finished" when it stops
    return [json.loads(line) for line in written if line != "finished"]


def test_every_line_from_the_first_is_json(lines: list[dict[str, Any]]) -> None:
    # only the line with gunicorn's configuration may come earlier
    assert any(line["event"].startswith("Starting gunicorn") for line in lines[:2])
    assert {line["service"] for line in lines} == {"support"}


def test_no_log_line_contains_the_text_of_a_request(lines: list[dict[str, Any]]) -> None:
    assert [line["event"] for line in lines if SECRET in str(line)] == []
    assert [line["status"] for line in lines if line["event"] == "request_refused"] == [400] * 5 + [503]
    assert [line["event"] for line in lines if line["level"] == "error"] == ["Error handling request"]
