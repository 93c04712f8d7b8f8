"""Every error is a problem document with the right status, whichever component responds."""

import json
import socket
import ssl
from typing import Any

import httpx
import pytest

from support.customer import ORDER, Customer

DEEP = "[" * 20 + "]" * 20


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Assert that `answer` is a problem document of `status`, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert {"type", "title", "detail", "instance", "request_id"} <= document.keys()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not any(character.isdigit() for character in answer.headers.get("Server", ""))
    if status in {429, 503}:
        assert int(answer.headers["Retry-After"]) >= 1
    return document


@pytest.mark.parametrize(
    "path", ["/nothing", "/metrics", "/livez", "/readyz", "/order/x", "/api/nothing", "/.well-known/x"]
)
def test_unknown_path_returns_404(https_client: httpx.Client, path: str) -> None:
    problem(https_client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/order", "POST"),
        ("POST", "/orderdetails", "GET"),
        ("GET", "/api/users", "POST"),
        ("PUT", "/api/token", "GET"),
    ],
)
def test_unsupported_method_returns_405_with_allow(
    https_client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = https_client.request(method, path)

    problem(answer, 405)
    assert allowed in answer.headers["Allow"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"userid": NaN}',
        b'{"userid": "a", "userid": "b"}',
        b'{"userid": "\xff"}',
        b"{} x",
        DEEP.encode(),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"cost": ' + b"1" * 5000 + b"}",
        b'{"userid": "\\ud800"}',
    ],
    ids=["empty", "cut", "nan", "duplicate", "encoding", "trailing", "deep", "deeper", "long-number", "surrogate"],
)
def test_malformed_json_returns_400(customer: Customer, body: bytes) -> None:
    headers = customer.headers | {"Content-Type": "application/json"}

    problem(customer.http.post("/order", content=body, headers=headers), 400)


@pytest.mark.parametrize("field", ["userid", "cost", "currency", "orderitems"])
@pytest.mark.parametrize("value", [{"$ne": None}, [{"$gt": ""}], True])
def test_wrong_type_returns_422_with_pointer(customer: Customer, field: str, value: object) -> None:
    answer = customer.post({field: value})

    errors = problem(answer, 422)["errors"]
    assert errors[0]["pointer"].startswith(f"/{field}")


def test_credentials_of_wrong_type_return_422(https_client: httpx.Client) -> None:
    problem(https_client.post("/api/users", json={"username": {"$ne": None}, "password": "correct horse"}), 422)
    problem(https_client.post("/api/users", json={"username": "someone", "password": {"$ne": None}}), 422)


def test_body_above_64_kib_returns_413(customer: Customer) -> None:
    problem(customer.post({"orderitems": ["x" * 200] * 400}), 413)


def test_unsupported_media_type_returns_415(customer: Customer) -> None:
    headers = customer.headers | {"Content-Type": "text/plain"}

    problem(customer.http.post("/order", content=json.dumps(ORDER), headers=headers), 415)


def test_long_uri_returns_414(https_client: httpx.Client) -> None:
    problem(https_client.get("/orderdetails?orderid=" + "x" * 40_000), 414)


def test_headers_above_the_limit_return_431(https_client: httpx.Client) -> None:
    problem(https_client.get("/orderdetails", headers={"X-Long": "x" * 40_000}), 431)


def test_many_small_headers_are_accepted(https_client: httpx.Client) -> None:
    headers = {f"X-Field-{number}": "x" for number in range(150)}

    problem(https_client.get("/orderdetails?orderid=x", headers=headers), 401)


def test_request_line_of_7_kb_reaches_the_service(https_client: httpx.Client) -> None:
    problem(https_client.get("/nothing?x=" + "x" * 7000), 404)


def test_missing_or_invalid_credentials_return_401_with_challenge(https_client: httpx.Client) -> None:
    missing = https_client.get("/orderdetails", params={"orderid": "x"})
    bad = https_client.get("/orderdetails", params={"orderid": "x"}, headers={"Authorization": "Bearer x.y.z"})
    basic = https_client.get("/api/token", auth=("nobody", "wrong password"))

    problem(missing, 401)
    problem(bad, 401)
    problem(basic, 401)
    assert 'error="invalid_token"' in bad.headers["WWW-Authenticate"]
    assert missing.headers["WWW-Authenticate"].startswith("Bearer")
    assert basic.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"NONSENSE\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505)],
    ids=["no-http", "no-host", "version"],
)
def test_malformed_request_returns_a_problem_document(
    https_client: httpx.Client, request_line: bytes, status: int
) -> None:
    head, body = _raw(https_client, request_line)

    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_plain_http_is_rejected(https_client: httpx.Client) -> None:
    with socket.create_connection(
        (str(https_client.base_url.host), https_client.base_url.port or 443), timeout=5
    ) as plain:
        plain.sendall(b"GET /orderdetails HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = plain.recv(4096)

    assert not answer or answer.startswith(b"HTTP/1.1 400")


def test_proxy_negotiates_http_1_1_only(https_client: httpx.Client) -> None:
    """With HTTP/2, nginx would return its own HTML page for an oversized body instead of a problem document."""
    context = _trusting()
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, port = str(https_client.base_url.host), https_client.base_url.port or 443

    with context.wrap_socket(socket.create_connection((host, port), timeout=10), server_hostname=host) as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"


def _raw(https_client: httpx.Client, request: bytes) -> tuple[bytes, bytes]:
    """Send bytes over TLS; return the head and the body of the response."""
    host, port = str(https_client.base_url.host), https_client.base_url.port or 443
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=10) as tcp,
        context.wrap_socket(tcp, server_hostname=host) as tls,
    ):
        tls.sendall(request)
        answer = b""
        while chunk := tls.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def _trusting() -> ssl.SSLContext:
    """Return a TLS context that does not verify certificates."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
