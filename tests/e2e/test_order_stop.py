"""A graceful stop of order-api while requests and events are in flight."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from local_stack.stack import Stack
from support import scrape, wait
from support.customer import Customer

PART = "order-api-0"


@pytest.fixture(autouse=True)
def healed(stack: Stack) -> Iterator[None]:
    """Restart the stopped parts after each test."""
    yield
    for part in (PART, "order-processor-0", "kafka-0"):
        stack.start(part)


def replica(stack: Stack) -> dict[str, str]:
    services = stack.file["services"]
    found: dict[str, str] = next(s for s in services if s["name"] == "order-api" and s["replica"] == 0)
    return found


def test_stop_completes_long_polls_and_publishes_every_event(stack: Stack, customer: Customer) -> None:
    stack.stop("order-processor-0")
    address = replica(stack)
    with (
        httpx.Client(base_url=address["url"], headers=customer.headers, timeout=35) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        body = {"userid": customer.name, "cost": "1.00", "orderitems": ["apple"]}
        references = [http.post("/order", json=body).json()["orderid"] for _ in range(30)]
        waiting = pool.submit(
            httpx.get,
            f"{address['url']}/orderdetails?orderid={references[0]}&wait=30",
            headers=customer.headers,
            timeout=35,
        )
        wait.until(lambda: scrape.samples(address["admin_url"], "retail_http_requests_total"), "a request counted")
        # usually enough for the long poll to connect
        time.sleep(0.5)
        started = time.monotonic()
        stack.stop(PART)
        took = time.monotonic() - started
        answer = waiting.result()
    stack.start("order-processor-0")

    assert answer.status_code == 200
    assert answer.json()["status"] == "PLACED"
    assert took < 12
    for reference in references:
        assert customer.processed(reference)["status"] == "PROCESSED"


def test_stop_without_kafka_ends_in_time_and_loses_no_event(stack: Stack, customer: Customer) -> None:
    stack.stop("kafka-0")
    address = replica(stack)
    body = {"userid": customer.name, "cost": "1.00", "orderitems": ["apple"]}
    references = [
        httpx.post(f"{address['url']}/order", json=body, headers=customer.headers).json()["orderid"] for _ in range(5)
    ]
    started = time.monotonic()
    stack.stop(PART)
    took = time.monotonic() - started
    stack.start("kafka-0")

    assert took < 20
    for reference in references:
        assert customer.processed(reference, seconds=90)["status"] == "PROCESSED"
    print(f"stopped without Kafka in {took:.1f} s")
