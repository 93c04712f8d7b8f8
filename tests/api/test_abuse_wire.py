"""Raw HTTP requests, most of them malformed, to auth-api under gunicorn."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.auth_api import write_key
from support.free_ports import free_ports
from support.pki import authority
from support.wait import until

ACCEPTED = b"GET /nowhere HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
POST = b"POST /api/users HTTP/1.1\r\nHost: api\r\nConnection: close\r\nContent-Type: application/json\r\n"
MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /nowhere\r\n\r\n",
    "an unknown version": b"GET /nowhere HTTP/9.9\r\nHost: api\r\n\r\n",
    "a blank in the header's name": ACCEPTED + b"X-A : b\r\n\r\n",
    "no colon": ACCEPTED + b"X-A\r\n\r\n",
    "a folded header": ACCEPTED + b"X-A: b\r\n c\r\n\r\n",
    "a null byte in a header": ACCEPTED + b"X-A: b\0c\r\n\r\n",
    "a bare carriage return in a header": ACCEPTED + b"X-A: b\rX-B: c\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "length and chunks": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown transfer coding": POST + b"Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a bad chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a negative chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a header of 9,000 bytes": ACCEPTED + b"X-A: " + b"a" * 9000 + b"\r\n\r\n",
    "a letter beyond ASCII in the address": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: api\r\n\r\n",
}


class Server(NamedTuple):
    port: int
    log: Path

    def send(self, request: bytes) -> int:
        """Send a request; return the response's status, or 0 without one. Each response must be a problem document."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            answer = b""
            try:
                while data := connection.recv(65_536):
                    answer += data
            except ConnectionResetError:
                pass
        found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
        if not found:
            return 0
        head, _, body = answer.partition(b"\r\n\r\n")
        problem = json.loads(body)

        assert b"\r\nContent-Type: application/problem+json\r\n" in head
        assert f"\r\nX-Request-ID: {problem['request_id']}" in head.decode()
        assert problem["status"] == int(found[1])
        return int(found[1])

    def requests(self) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == "request"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run auth-api under gunicorn, without MongoDB."""
    folder = tmp_path_factory.mktemp("gunicorn")
    (folder / "ca.crt").write_bytes(authority())
    write_key(folder, "a")
    port, admin, nowhere = free_ports(3)
    environ = {
        "PATH": os.environ["PATH"],
        "ADMIN_BIND": f"127.0.0.1:{admin}",
        "HTTP_BIND": f"127.0.0.1:{port}",
        "MONGODB_URI": f"mongodb://127.0.0.1:{nowhere}/",
        "MONGODB_CA_FILE": str(folder / "ca.crt"),
        "AUTH_KEYS_DIR": str(folder),
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "python:shared.http.gunicorn_conf", "auth_api.app:wsgi()"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is None and serves(port), "auth-api to listen", seconds=60)
        yield Server(port, folder / "log")
    finally:
        process.terminate()
        process.wait(30)


def serves(port: int) -> bool:
    try:
        return Server(port, Path()).send(ACCEPTED + b"\r\n") == 404
    except OSError:
        return False


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_malformed_request_is_rejected_and_the_next_one_served(server: Server, request_: bytes) -> None:
    status = server.send(request_)

    assert status == 0 or 400 <= status < 500
    assert server.send(ACCEPTED + b"\r\n") == 404


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        (b"", "127.0.0.1"),
        (b"X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
        (b"X-Forwarded-For: 203.0.113.9, 192.0.2.4\r\n", "192.0.2.4"),
    ],
)
def test_last_forwarded_address_is_logged_as_the_client(server: Server, headers: bytes, client: str) -> None:
    before = len(server.requests())
    server.send(ACCEPTED + headers + b"\r\n")
    until(lambda: len(server.requests()) > before, "the request's line in the log")

    assert server.requests()[-1]["client"] == client


@pytest.mark.parametrize("name", [b"X_Forwarded_For", b"Idempotency_Key"])
def test_header_name_with_underscore_returns_400(server: Server, name: bytes) -> None:
    """In WSGI's environment, `X_Name` and `X-Name` would be the same header."""
    assert server.send(ACCEPTED + name + b": 203.0.113.9\r\n\r\n") == 400


@pytest.mark.parametrize("name", ["Idempotency-Key", "authorization", "Content-Type", "Content-Length"])
def test_repeated_header_that_must_be_single_returns_400(server: Server, name: str) -> None:
    value = "0" if name == "Content-Length" else "same"
    lines = f"{name}: {value}\r\n".encode()

    assert server.send(ACCEPTED + lines + b"\r\n") == 404
    assert server.send(ACCEPTED + lines * 2 + b"\r\n") == 400


def test_header_value_with_a_comma_is_accepted(server: Server) -> None:
    assert server.send(ACCEPTED + b"Idempotency-Key: a,b\r\n\r\n") == 404


def test_contradictory_scheme_headers_are_ignored(server: Server) -> None:
    claims = b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\nX-Forwarded-Protocol: http\r\n"

    assert server.send(ACCEPTED + claims + b"\r\n") == 404


def test_no_malformed_request_caused_an_internal_error(server: Server) -> None:
    assert len(server.requests()) > len(MALFORMED)
    assert not any(word in server.log.read_text() for word in ("Traceback", "unexpected_error", "Exception"))
