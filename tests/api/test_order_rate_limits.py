"""Rate limits: orders per user (in open mode per address), reads per user, and invalid tokens per address."""

from pathlib import Path
from typing import Any

import pytest

from support.order_api import OrderService, order


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    """order-api that allows bursts of two orders, three reads and two invalid tokens, then one of each per second."""
    rates = {"RATE_LIMIT_ORDERS": "1/2", "RATE_LIMIT_READS": "1/3", "RATE_LIMIT_INVALID_TOKENS": "1/2"}
    return OrderService(tmp_path, environ=rates)


def ask(service: OrderService, token: str, address: str = "192.0.2.1") -> Any:
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}
    return service.client.get("/orderdetails?orderid=x", headers=headers)


def assert_too_many(answer: Any, policy: str) -> None:
    assert answer.status_code == 429
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["RateLimit"] == f'"{policy}";r=0;t=1'


def test_orders_beyond_the_users_rate_are_rejected_and_not_enqueued(service: OrderService) -> None:
    placed = [service.place() for _ in range(2)]

    rejected = service.place()

    assert [answer.status_code for answer in placed] == [200, 200]
    assert [answer.headers["RateLimit"] for answer in placed] == ['"orders";r=1;t=2', '"orders";r=0;t=2']
    assert_too_many(rejected, "orders")
    assert len(service.enqueued) == 2


def test_limited_user_does_not_affect_other_users(service: OrderService) -> None:
    for _ in range(5):
        service.place()

    assert service.place(order(userid="bob"), user="bob").status_code == 200


def test_reads_have_their_own_rate_limit(service: OrderService) -> None:
    for _ in range(3):
        service.place()

    assert [service.read("?userid=alice").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_invalid_tokens_of_one_address_are_limited(service: OrderService) -> None:
    assert [ask(service, f"bad.{n}.token").status_code for n in range(2)] == [401, 401]

    assert_too_many(ask(service, "bad.3.token"), "invalid-tokens")
    assert ask(service, "bad.4.token", address="192.0.2.2").status_code == 401


def test_invalid_tokens_of_one_ipv6_network_are_limited(service: OrderService) -> None:
    """One customer usually has a whole /64 network, so the limit is per network."""
    for n in range(2):
        ask(service, f"bad.{n}.token", address=f"2001:db8:1:1::{n}")

    assert_too_many(ask(service, "bad.3.token", address="2001:db8:1:1::3"), "invalid-tokens")
    assert ask(service, "bad.4.token", address="2001:db8:1:2::1").status_code == 401


def test_cached_token_is_served_despite_invalid_tokens_from_its_address(service: OrderService) -> None:
    token = service.server.token("alice")
    assert ask(service, token).status_code == 404
    for n in range(4):
        ask(service, f"bad.{n}.token")

    assert ask(service, token).status_code == 404


def test_tokens_are_not_counted_as_invalid_while_keys_are_unavailable(tmp_path: Path) -> None:
    service = OrderService(tmp_path, environ={"RATE_LIMIT_INVALID_TOKENS": "1/1"})
    service.server.is_up = False
    service.keys._keys = {}

    assert {ask(service, service.server.token("alice")).status_code for _ in range(3)} == {503}


def test_open_mode_limits_orders_by_address(tmp_path: Path) -> None:
    service = OrderService(tmp_path, environ={"ORDERS_REQUIRE_TOKEN": "false", "RATE_LIMIT_ORDERS": "1/1"})

    def place(address: str) -> int:
        answer = service.client.post("/order", json=order(), headers={"X-Forwarded-For": address})
        return int(answer.status_code)

    assert [place("192.0.2.1"), place("192.0.2.1"), place("192.0.2.2")] == [200, 429, 200]
    assert [place("2001:db8::1"), place("2001:db8::2"), place("2001:db8:0:1::1")] == [200, 429, 200]
