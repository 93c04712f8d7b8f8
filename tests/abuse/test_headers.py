"""Ambiguous and malformed headers are rejected, by nginx or by the service behind it."""

import json
from pathlib import Path

import pytest

from support.abuse_site import Site
from support.customer import ORDER
from support.raw_https import Answer, RawHttpsClient


def place(client: RawHttpsClient, site: Site, headers: str, line: str = "POST /order HTTP/1.1") -> Answer:
    """Place an order with these header lines; usual headers that they lack are added."""
    body = json.dumps({"userid": site.quiet.name, **ORDER}).encode()
    usual = "" if "Authorization" in headers else f"Authorization: {site.quiet.headers['Authorization']}\r\n"
    usual += "" if "Content-Type" in headers else "Content-Type: application/json\r\n"
    usual += "" if "Content-Length" in headers else f"Content-Length: {len(body)}\r\n"
    return client.ask(line, usual + headers.format(length=len(body), bearer=site.quiet.headers["Authorization"]), body)


def assert_rejected(answer: Answer, *, request_id: str | None = "abuse-1") -> None:
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert request_id in {None, answer.headers["x-request-id"]}


@pytest.mark.parametrize(
    "headers",
    [
        "Idempotency-Key: k\r\nIdempotency-Key: k\r\n",
        "Idempotency-Key: k\r\nidempotency-key: l\r\n",
        "Idempotency-Key: k\r\nIdempotency-Key:\r\n",
        "Idempotency-Key: k\r\nX-Other: 1\r\nIdempotency-Key: k\r\n",
        "Authorization: {bearer}\r\nAuthorization: {bearer}\r\n",
        "Authorization: {bearer}\r\nAuthorization: Basic YTpi\r\n",
        "Content-Type: application/json\r\nContent-Type: application/json\r\n",
        "Content-Length: {length}\r\nContent-Length: {length}\r\n",
    ],
)
def test_repeated_header_line_returns_400(client: RawHttpsClient, site: Site, headers: str) -> None:
    # The request id comes first, since nginx stops reading at the first header that it rejects.
    assert_rejected(place(client, site, "X-Request-ID: abuse-1\r\n" + headers))


def test_idempotency_key_with_a_comma_is_accepted(client: RawHttpsClient, site: Site) -> None:
    assert place(client, site, "Idempotency-Key: a,b\r\n").status == 200


@pytest.mark.parametrize("name", ["Idempotency_Key", "X_Other", "Idempotency-Key\u00e9", "X@Other"])
def test_header_name_with_underscore_or_invalid_character_returns_400(
    client: RawHttpsClient, site: Site, name: str
) -> None:
    assert_rejected(place(client, site, f"X-Request-ID: abuse-1\r\n{name}: k\r\n"), request_id=None)


@pytest.mark.parametrize(
    ("line", "detail"),
    [("post /order HTTP/1.1", "upper case"), ("POST /order?x=\u00e9 HTTP/1.1", "Percent-encode")],
)
def test_malformed_request_line_returns_400_with_a_request_id(
    client: RawHttpsClient, site: Site, line: str, detail: str
) -> None:
    answer = place(client, site, "X-Request-ID: abuse-1\r\n", line)

    assert_rejected(answer, request_id="abuse-1" if line.startswith("POST") else None)
    assert detail in answer.json()["detail"]


def test_keepalive_timeout_is_longer_than_announced(client: RawHttpsClient) -> None:
    """The proxy announces 30 s in Keep-Alive and closes after 40 s, so that no client reuses a closed connection."""
    announced = client.raw(b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert announced
    assert announced.headers["keep-alive"] == "timeout=30"
    rules = Path(__file__).parents[2] / "charts/retail-orders/files/proxy/rules.conf"
    assert "\nkeepalive_timeout 40s 30s;" in rules.read_text(encoding="utf-8")
