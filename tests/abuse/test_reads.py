"""Expensive reads, and long polls whose clients disconnect."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_stack.stack import Stack
from support.abuse_site import Site
from support.attacker import Outcome
from support.customer import ORDER, Customer, https

GET = "GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n\r\n"
LARGE_ORDERS = 100
CONNECTIONS = 32
DOCS = 64  # the limit of all clients for the docs pages, in limits.conf


def get(path: str, token: str) -> str:
    return GET.format(path=path, authorization=f"Authorization: {token}")


def test_lists_of_large_orders_do_not_block_other_users(attack: Callable[..., Outcome], site: Site) -> None:
    """A user stores up to 100 orders of about 40 KB each, and lists them without pause on 32 connections."""
    with https(f"https://localhost:{site.auth_port}", site.ca) as http:
        greedy = Customer(http)
    order = {"userid": greedy.name, "cost": "1.00", "orderitems": ["é" * 200 + str(n) for n in range(100)]}
    order["orderitems"] = [item[-200:] for item in order["orderitems"]]
    body = json.dumps(order, ensure_ascii=False).encode()
    assert 38_000 < len(body) < 64 * 1024
    with https(f"https://localhost:{site.order_port}", site.ca) as http, ThreadPoolExecutor(4) as pool:
        headers = greedy.headers | {"Content-Type": "application/json"}
        placed = pool.map(lambda _: http.post("/order", content=body, headers=headers).status_code, range(LARGE_ORDERS))
        assert sum(status == 200 for status in placed) > LARGE_ORDERS / 2

    outcome = attack(
        connections=CONNECTIONS,
        then=get(f"/orderdetails?userid={greedy.name}&limit=100", greedy.headers["Authorization"]),
    )

    assert outcome.statuses() <= {200, 429}
    assert outcome.ends["200"] > CONNECTIONS


def test_orders_succeed_while_clients_do_not_read_the_docs(attack: Callable[..., Outcome]) -> None:
    """The largest file of the docs pages has 1.7 MB and needs no valid token; ten addresses request it."""
    outcome = attack(connections=400, addresses=10, first=get("/docs/swagger-ui-bundle.js", "Bearer x"), stall=True)

    assert outcome.statuses() <= {200, 429, 503}
    assert 0 < outcome.ends["200"] <= DOCS
    assert outcome.ends["429"] > 0


@pytest.fixture
def stopped_processors(stack: Stack) -> Iterator[None]:
    """Pause every order-processor, so that orders stay PLACED during the test."""
    pids = [pid for part, pid in stack.pids.items() if part.startswith("order-processor")]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.usefixtures("stopped_processors")
def test_long_poll_slots_are_freed_when_their_clients_disconnect(attack: Callable[..., Outcome], site: Site) -> None:
    """The quiet user's long poll gets a slot and waits for 2 s; without a free slot it would return at once."""
    order_id = site.quiet.order().json()["orderid"]
    with https(f"https://localhost:{site.auth_port}", site.ca) as http:
        fickle = Customer(http)
    with https(f"https://localhost:{site.order_port}", site.ca) as http:
        body = {"userid": fickle.name, **ORDER}
        unprocessed = http.post("/order", json=body, headers=fickle.headers).json()["orderid"]

    outcome = attack(
        connections=CONNECTIONS,
        first=get(f"/orderdetails?orderid={unprocessed}&wait=30", fickle.headers["Authorization"]),
        hang_up=0.5,
    )
    time.sleep(1)
    began = time.monotonic()
    answer = site.quiet.poll(order_id, 2)

    assert outcome.ends["hung up"] > CONNECTIONS
    assert (answer.status_code, answer.json()["status"]) == (200, "PLACED")
    assert time.monotonic() - began >= 2
