"""What customers see while a dependency is down, and that the system recovers by itself."""

import functools
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import httpx
import pytest

from local_stack.stack import Stack
from support import scrape, wait
from support.customer import Customer


@pytest.fixture(autouse=True)
def healed(stack: Stack) -> Iterator[None]:
    """Restart MongoDB and Kafka after each test, and wait until every service is ready."""
    yield
    for part in ("mongodb-0", "kafka-0"):
        stack.start(part)
    wait.until(lambda: all(scrape.ready(url) for url in _admin_urls(stack)), "every service ready", seconds=60)


def test_orders_are_accepted_while_kafka_is_down(stack: Stack, customer: Customer) -> None:
    """While Kafka is down, the median response time at most triples; the orders are processed after Kafka recovers."""
    customers = [Customer(customer.http) for _ in range(8)]  # several, to stay below the rate limit per user
    _latencies(customers, 50)
    before = _latencies(customers, 200)
    stack.stop("kafka-0")
    during = _latencies(customers, 200)
    references = [customer.place() for _ in range(20)]
    wait.until(lambda: _all_states(stack, "order-api", "kafka") & {"open", "half_open"}, "a Kafka breaker opening")
    after_opening = _latencies(customers, 100)
    ready = [scrape.ready(url) for url in _admin_urls(stack, "order-api")]
    stack.start("kafka-0")

    assert ready == [True, True]
    for reference in references:
        customer.processed(reference, seconds=90)
    wait.until(lambda: _all_states(stack, "order-api", "kafka") == {"closed"}, "the Kafka breakers closing", seconds=60)
    slowest = max(statistics.median(times) for times in (during, after_opening))
    assert slowest <= 3 * statistics.median(before)  # a request that waits for Kafka would take seconds
    p99 = [_p99(times) * 1000 for times in (before, during, after_opening)]
    print("p99 of POST /order in ms: before {:.1f}, Kafka down {:.1f}, breaker open {:.1f}".format(*p99))


def test_mongodb_outage_returns_503_with_retry_after(stack: Stack, customer: Customer) -> None:
    """Responses are 503 with Retry-After while the breakers are open; the system recovers when MongoDB runs again."""
    stack.stop("mongodb-0")
    wait.until(lambda: _opened(stack, customer), "the MongoDB breakers of both replicas opening", seconds=60)
    started = time.perf_counter()
    answers = [customer.post() for _ in range(20)]
    took = (time.perf_counter() - started) / len(answers)
    not_ready = [scrape.ready(url) for url in _admin_urls(stack, "order-api")]
    login = customer.http.get("/api/token", auth=(customer.name, customer.password))
    stack.start("mongodb-0")

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["type"] for answer in answers} == {"unavailable"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert not_ready == [False, False]
    assert login.status_code == 503
    wait.until(lambda: customer.post().status_code == 200, "orders accepted again", seconds=60)
    wait.until(lambda: _all_states(stack, "order-api", "mongodb") == {"closed"}, "the breakers closing", seconds=60)
    customer.processed(customer.place())
    print(f"an answer with the breaker open takes {took * 1000:.1f} ms over HTTPS")


def test_service_started_without_mongodb_waits_for_it(stack: Stack, customer: Customer) -> None:
    """Replicas started without MongoDB are not ready and return 503; when MongoDB runs, they serve without restart."""
    stack.stop("mongodb-0")
    for part in ("order-api-0", "order-api-1"):
        stack.stop(part)
        stack.start(part, wait=False)
    urls = _admin_urls(stack, "order-api")
    wait.until(lambda: all(scrape.alive(url) for url in urls), "the new processes")
    unavailable = wait.until(lambda: _answer(customer, 503), "a 503 from the new processes")
    ready = [scrape.ready(url) for url in urls]
    stack.start("mongodb-0")

    assert unavailable.json()["type"] == "unavailable"
    assert ready == [False, False]
    wait.until(lambda: all(scrape.ready(url) for url in urls), "both replicas ready", seconds=60)
    customer.processed(customer.place())


def test_requests_in_flight_on_killed_replicas_return_503(stack: Stack, customer: Customer) -> None:
    """The proxy does not retry. The client's retry with the same key succeeds, and each key makes one order."""
    with ThreadPoolExecutor(4) as pool:
        stack.signal("mongodb-0", signal.SIGSTOP)
        in_flight = [pool.submit(customer.post, key=f"killed-{n}") for n in range(4)]
        time.sleep(0.5)  # well below the 2 s operation limit
        for part in ("order-api-0", "order-api-1"):
            stack.kill(part)
        stack.signal("mongodb-0", signal.SIGCONT)
        answers = [request.result() for request in in_flight]

    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["Content-Type"] == "application/problem+json" for answer in answers)
    assert all("Retry-After" in answer.headers for answer in answers)
    for number in range(4):
        settled = functools.partial(_answer, customer, 200, key=f"killed-{number}")
        customer.processed(
            wait.until(settled, "a retry with the same key to succeed", seconds=60).json()["order_reference"]
        )
    assert len(customer.get(userid=customer.name, limit=100).json()["items"]) == 4


def test_no_request_fails_while_one_replica_is_down(stack: Stack, customer: Customer) -> None:
    stack.stop("order-api-0")
    try:
        statuses = [customer.post().status_code for _ in range(20)]
    finally:
        stack.start("order-api-0")

    assert statuses == [200] * 20


def _admin_urls(stack: Stack, name: str | None = None) -> list[str]:
    return [s["admin_url"] for s in stack.file["services"] if name in {None, s["name"]}]


def _all_states(stack: Stack, service: str, breaker: str) -> set[str]:
    return {scrape.breaker_state(url, breaker) for url in _admin_urls(stack, service)}


def _opened(stack: Stack, customer: Customer) -> bool:
    customer.post()
    return _all_states(stack, "order-api", "mongodb") == {"open"}


def _answer(customer: Customer, status: int, key: str | None = None) -> httpx.Response | None:
    answer = customer.post(key=key)
    return answer if answer.status_code == status else None


def _latencies(customers: Sequence[Customer], count: int) -> list[float]:
    """Place `count` orders, one after another and by each customer in turn; return the seconds that each order took."""
    times = []
    for customer in islice(cycle(customers), count):
        started = time.perf_counter()
        customer.place()
        times.append(time.perf_counter() - started)
    return times


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]
