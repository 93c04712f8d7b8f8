"""GET /orderdetails with `wait`: long polling through Flask's test client."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from order_api.long_poll import LongPoll, is_closed
from order_api.orders import Document
from support.order_api import OrderService, process
from support.wait import until


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


def test_wait_returns_once_the_status_changes(service: OrderService) -> None:
    reference = service.place().json["orderid"]
    timer = threading.Timer(0.2, process, (service, reference))
    timer.start()
    answer = service.read(f"?orderid={reference}&wait=30")
    timer.join()

    assert answer.json["status"] == "PROCESSED"


def test_wait_returns_the_unchanged_order_after_its_timeout(service: OrderService) -> None:
    reference = service.place().json["orderid"]

    assert service.read(f"?orderid={reference}&wait=1").json["status"] == "PLACED"


def test_long_polls_have_a_separate_duration_histogram(service: OrderService) -> None:
    reference = service.place().json["orderid"]
    process(service, reference)
    for query in ("", "&wait=1", "&wait=0"):
        service.read(f"?orderid={reference}{query}")
    labels = {"route": "/orderdetails", "method": "GET"}

    assert service.count("retail_http_request_duration_seconds_count", **labels) == 2
    assert service.count("retail_http_held_request_duration_seconds_count", **labels) == 1
    assert service.count("retail_http_requests_total", **labels, status="200") == 3


def test_waiting_client_occupies_a_long_poll_slot(service: OrderService) -> None:
    reference = service.place().json["orderid"]
    poll = threading.Thread(target=service.read, args=(f"?orderid={reference}&wait=30",))
    poll.start()
    until(lambda: service.count("retail_resource_in_use", resource="long_polls") == 1, "the poll")
    process(service, reference)
    poll.join()

    assert service.count("retail_resource_in_use", resource="long_polls") == 0
    assert service.count("retail_resource_limit", resource="long_polls") == 2


def test_disconnect_of_the_client_frees_its_long_poll_slot(service: OrderService) -> None:
    reference = service.place().json["orderid"]
    near, far = socket.socketpair()
    answers: list[Any] = []

    def wait() -> None:
        answers.append(
            service.client.get(
                f"/orderdetails?orderid={reference}&wait=30",
                headers=service.bearer(),
                environ_overrides={"gunicorn.socket": near},
            )
        )

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: service.long_poll._slots._value == 1, "the request to wait")
    far.close()
    until(lambda: service.long_poll._slots._value == 2, "its slot to be free", seconds=10)
    waiting.join(5)
    near.close()

    assert answers[0].json["status"] == "PLACED"


def test_pipelined_request_does_not_count_as_a_disconnect() -> None:
    near, far = socket.socketpair()
    with near, far:
        quiet = is_closed(near)
        far.sendall(b"GET / HTTP/1.1")
        next_request = is_closed(near)

        assert (quiet, next_request, is_closed(None)) == (False, False, False)
        assert near.recv(64) == b"GET / HTTP/1.1"


@pytest.mark.parametrize(("threads", "looks"), [(3, 0), (4, 1)])
def test_long_poll_needs_at_least_four_threads(threads: int, looks: int) -> None:
    looked = []

    def look() -> Document:
        looked.append(1)
        return {"status": "PROCESSED"}

    LongPoll(threads).wait({"status": "PLACED"}, look, 30)

    assert len(looked) == looks


def test_at_most_a_quarter_of_the_threads_hold_long_polls(service: OrderService) -> None:
    reference = service.place().json["orderid"]
    answers: list[Any] = []

    def wait() -> None:
        answers.append(service.read(f"?orderid={reference}&wait=30"))

    waiting = [threading.Thread(target=wait) for _ in range(2)]  # a quarter of the 8 threads
    for thread in waiting:
        thread.start()
    until(lambda: service.long_poll._slots._value == 0, "both to wait")
    third = service.read(f"?orderid={reference}&wait=30")
    was_waiting = len(answers) == 0
    service.long_poll.stop()
    for thread in waiting:
        thread.join(5)

    assert third.status_code == 200
    assert was_waiting
    assert [answer.status_code for answer in answers] == [200, 200]
