"""Hostile headers change no identity, login limit, Location or log line; unsupported methods return 405."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.http import app as web
from support.abuse import BothApis, assert_rejected
from support.auth_api import basic
from support.order_api import order

CLAIMS = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-User": "root",
    "X-Original-URL": "/admin",
    "X-Rewrite-URL": "/admin",
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "DELETE",
    "X-User": "root",
    "X-User-Id": "root",
    "X-Remote-User": "root",
    "Remote-User": "root",
    "X-Authenticated-User": "root",
    "X-Real-IP": "203.0.113.9",
    "X-Client-IP": "203.0.113.9",
    "True-Client-IP": "203.0.113.9",
    "CF-Connecting-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=gopher",
    "Via": "1.1 evil.example",
    "Host": "evil.example",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example",
}
IDS = ["", " ", "a b", "a" * 129, "é", "a;b", "a\tb", "{}", "a%0d%0aX-Injected:1", "<b>", '"', "a\\nb", "../x"]


@pytest.fixture
def both(tmp_path: Path) -> BothApis:
    return BothApis(tmp_path)


def stripped(answer: Any) -> Any:
    """Return the status and headers of a response, without the headers that can differ for identical requests."""
    varying = {"X-Request-ID", "ETag", "Location", "Date"}
    headers = {name: value for name, value in answer.headers if name not in varying}
    return answer.status_code, headers


def test_spoofed_headers_do_not_change_statuses_headers_or_log_lines(both: BothApis) -> None:
    def tour(extra: dict[str, str]) -> tuple[list[Any], list[Any]]:
        client, own = both.orders.client, both.orders.bearer("alice")
        with capture_logs() as lines:
            answers = [
                client.get("/orderdetails?userid=alice", headers=own | extra),
                client.get("/orderdetails?userid=root", headers=own | extra),
                client.get("/orderdetails?userid=alice", headers=extra),
                client.get("/admin", headers=own | extra),
                client.get("/docs", headers=extra),
                both.auth.client.get("/api/token", headers=basic("alice", "wrong password") | extra),
                both.auth.client.get("/api/docs", headers=extra),
                both.auth.client.get("/.well-known/jwks.json", headers=extra),
            ]
        requests = [line for line in lines if line["event"] == "request"]
        kept = [{k: v for k, v in line.items() if k not in {"request_id", "duration_ms"}} for line in requests]
        return [stripped(answer) for answer in answers], kept

    plain = tour({})
    assert [status for status, _ in plain[0]] == [200, 403, 401, 404, 308, 401, 308, 200]
    claimed = tour(CLAIMS)
    for number, answer in enumerate(plain[0]):
        assert claimed[0][number] == answer
    assert claimed[1] == plain[1]


def test_spoofed_headers_do_not_change_an_orders_owner_or_location(both: BothApis) -> None:
    answer = both.orders.place(order(), **CLAIMS)

    assert answer.status_code == 200
    assert answer.get_json()["userid"] == "alice"
    assert answer.headers["Location"] == f"/orderdetails?orderid={answer.get_json()['orderid']}"


@pytest.mark.parametrize("header", ["X-Real-IP", "X-Client-IP", "Forwarded", "True-Client-IP", "X-Forwarded-For"])
def test_spoofed_address_does_not_bypass_the_login_throttle(both: BothApis, header: str) -> None:
    """Only the last entry of X-Forwarded-For counts, because the proxy adds it; a client can write all the rest."""
    answers = []
    for number in range(12):
        spoofed = f"203.0.113.{number}"
        headers = {"X-Forwarded-For": "192.0.2.1"} | (
            {header: f"{spoofed}, 192.0.2.1"} if header == "X-Forwarded-For" else {header: spoofed}
        )
        answers.append(both.auth.client.get("/api/token", headers=basic("alice", f"wrong {number:05}") | headers))

    assert [a.status_code for a in answers] == [401] * 10 + [429] * 2


@pytest.mark.parametrize("given", IDS)
def test_malformed_request_id_is_replaced(both: BothApis, given: str) -> None:
    for client in (both.auth.client, both.orders.client):
        with capture_logs() as lines:
            answer = client.get("/nowhere", headers={"X-Request-ID": given})

        assert_rejected(answer, 404)
        assert answer.headers["X-Request-ID"] == answer.get_json()["request_id"] != given
        assert len(answer.headers["X-Request-ID"]) == 32
        assert given == "" or given not in [line.get("request_id") for line in lines]


def test_valid_request_id_is_kept(both: BothApis) -> None:
    answer = both.auth.client.get("/nowhere", headers={"X-Request-ID": "a.B-c_1"})

    assert answer.headers["X-Request-ID"] == answer.get_json()["request_id"] == "a.B-c_1"


def test_path_query_and_user_agent_are_not_logged(both: BothApis) -> None:
    with capture_logs() as lines:
        both.orders.client.get("/canary-path?canary-query=1", headers={"User-Agent": "canary-agent"})

    assert [line["route"] for line in lines] == ["unknown"]
    assert "canary" not in str(lines)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "PROPFIND", "X" * 100])
def test_unsupported_methods_return_405_with_allow(both: BothApis, method: str) -> None:
    for client, path in ((both.auth.client, "/api/users"), (both.orders.client, "/order")):
        answer = client.open(path, method=method)
        assert_rejected(answer, 405)
        assert answer.headers["Allow"] == "POST"


def test_login_responses_have_security_headers_and_no_cors_headers(both: BothApis) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for answer in (both.auth.token("alice"), both.auth.client.get("/api/token", headers=headers | basic("alice", "x"))):
        assert not any(name.startswith("Access-Control-") for name, _ in answer.headers)
        assert {name: answer.headers[name] for name in web.HEADERS} == web.HEADERS
