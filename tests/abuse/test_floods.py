"""Clients that send complete requests, as many and as fast as they can."""

import base64
import json
from collections.abc import Callable, Iterator

import pytest

from support.abuse_site import Site
from support.attacker import Outcome
from support.customer import ORDER, Customer, https

NO_TOKEN = "GET /orderdetails?orderid=x HTTP/1.1\r\nHost: localhost\r\n\r\n"
BAD_TOKEN = "GET /orderdetails?orderid=x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a.b.c\r\n\r\n"


@pytest.fixture
def greedy(site: Site) -> Iterator[Customer]:
    """A user with a token who sends far too many requests."""
    with https(f"https://localhost:{site.auth_port}", site.ca) as http:
        yield Customer(http)


def order_of(user: Customer) -> str:
    """Return a raw HTTP request that places an order for `user`."""
    body = json.dumps({"userid": user.name, **ORDER})
    return (
        f"POST /order HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {user.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def test_flood_of_orders_by_one_user_is_limited(attack: Callable[..., Outcome], greedy: Customer) -> None:
    outcome = attack(connections=64, then=order_of(greedy))

    assert outcome.statuses() == {200, 429}


def test_flood_of_reads_by_one_user_is_limited(attack: Callable[..., Outcome], greedy: Customer) -> None:
    read = (
        f"GET /orderdetails?userid={greedy.name} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {greedy.token}\r\n\r\n"
    )

    outcome = attack(connections=64, then=read)

    assert outcome.statuses() == {200, 429}


def test_flood_on_900_connections_of_one_address_is_limited(attack: Callable[..., Outcome], greedy: Customer) -> None:
    outcome = attack(connections=900, then=order_of(greedy), seconds=7)

    assert outcome.statuses() == {200, 429}


def test_flood_of_invalid_tokens_is_limited(attack: Callable[..., Outcome]) -> None:
    outcome = attack(connections=64, then=BAD_TOKEN)

    assert outcome.statuses() == {401, 429}
    assert outcome.ends["429"] > outcome.ends["401"]


def test_proxy_limits_a_flood_of_requests_without_token(attack: Callable[..., Outcome]) -> None:
    outcome = attack(connections=64, then=NO_TOKEN)

    assert outcome.statuses() == {401, 429}
    assert outcome.ends["401"] <= 100 + 20 * 10  # the default burst, and 20 per second for at most 10 s


def test_registrations_with_a_bearer_header_are_limited(attack: Callable[..., Outcome], site: Site) -> None:
    body = '{"username": "!", "password": "x"}'
    register = (
        "POST /api/users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )

    outcome = attack(port=site.auth_port, connections=32, then=register)

    assert outcome.statuses() == {422, 429}
    assert outcome.ends["422"] <= 100 + 20 * 10


def test_flood_of_logins_is_limited(attack: Callable[..., Outcome], site: Site) -> None:
    wrong = base64.b64encode(b"nobody:wrong password").decode()
    login = f"GET /api/token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {wrong}\r\n\r\n"

    outcome = attack(port=site.auth_port, connections=32, then=login)

    assert 429 in outcome.statuses()
    assert outcome.statuses() <= {401, 429, 503}  # 503: too many passwords to hash at once


def test_clients_that_pipeline_requests_and_disconnect_do_not_block_others(attack: Callable[..., Outcome]) -> None:
    """Each of 300 connections sends 20 requests every 0.2 s until a response arrives, and is then reopened."""
    outcome = attack(connections=300, first=BAD_TOKEN * 20, then=BAD_TOKEN * 20, every=0.2)

    assert outcome.statuses() <= {401, 429}
