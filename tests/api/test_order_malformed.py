"""Malformed orders: lists omit them, a read or a replay returns `unavailable`, and logs and metrics show them."""

from pathlib import Path
from typing import Any

import pytest
import structlog
from werkzeug.test import TestResponse

from support.order_api import OrderService, order

SHAPES: dict[str, dict[str, Any]] = {
    "a double amount": {"cost": 12.5},
    "a negative amount": {"cost": -1},
    "items as text": {"orderitems": "apple"},
    "an item without quantity": {"orderitems": [{"item": "apple"}]},
    "a time as text": {"placed_at": "2026-01-01"},
    "an unknown status": {"status": "SHIPPED"},
    "no currency": {"currency": None},
    # as a client made by `mongo.connect` reads the byte FF
    "a text that is not UTF-8": {"orderitems": [{"item": "caf\udcff", "quantity": 1}]},
}


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


def place(service: OrderService, key: str | None = None) -> str:
    headers = service.bearer() | ({"Idempotency-Key": key} if key else {})
    order_id: str = service.client.post("/order", json=order(), headers=headers).get_json()["orderid"]
    return order_id


def read(service: OrderService, **query: str) -> TestResponse:
    return service.client.get("/orderdetails", query_string=query, headers=service.bearer())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_list_omits_only_the_malformed_order(service: OrderService, shape: dict[str, Any]) -> None:
    first, bad, last = (place(service) for _ in range(3))
    service.change(bad, {"$set": shape})
    with structlog.testing.capture_logs() as lines:
        response = read(service, userid="alice")

    assert response.status_code == 200
    assert [item["orderid"] for item in response.get_json()["items"]] == [last, first]
    assert [line["order_id"] for line in lines if line["event"] == "order_malformed"] == [bad]
    assert service.registry.get_sample_value("retail_malformed_orders_total") == 1


def test_pages_continue_after_malformed_orders(service: OrderService) -> None:
    ids = [place(service) for _ in range(6)]
    for bad in (ids[5], ids[4], ids[2]):
        service.change(bad, {"$set": {"cost": 12.5}})
    shown: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(6):
        page = read(service, userid="alice", limit="1", **cursor).get_json()
        shown += [item["orderid"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert shown == [ids[3], ids[1], ids[0]]


@pytest.mark.parametrize("shape", [*SHAPES.values(), {"history": "PLACED"}, {"version": "1"}], ids=str)
def test_read_of_a_malformed_order_returns_unavailable(service: OrderService, shape: dict[str, Any]) -> None:
    bad = place(service)
    service.change(bad, {"$set": shape})
    response = read(service, orderid=bad)

    assert response.status_code == 503
    assert response.get_json()["type"] == "unavailable"
    assert bad in response.get_json()["detail"]
    assert "Retry-After" in response.headers


def test_replay_of_a_malformed_order_returns_unavailable(service: OrderService) -> None:
    bad = place(service, key="k")
    service.change(bad, {"$set": {"cost": 12.5}})
    headers = service.bearer() | {"Idempotency-Key": "k"}
    response = service.client.post("/order", json=order(), headers=headers)

    assert (response.status_code, response.get_json()["type"]) == (503, "unavailable")
