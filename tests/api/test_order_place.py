"""POST /order through Flask's test client."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.replica_set import Failure
from order_api import orders
from order_api.orders import new_id
from support.order_api import OrderService, order


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


def test_placed_order_is_stored_enqueued_and_returned(service: OrderService) -> None:
    items = ["apple", {"item": "pear", "quantity": 2, "price": 3}]
    answer = service.place(order(orderitems=items))

    assert answer.status_code == 200
    reference = answer.json["order_reference"]
    assert answer.json == {
        "order_reference": reference,
        "orderid": reference,
        "userid": "alice",
        "status": "PLACED",
        "cost": "12.50",
        "currency": "USD",
        "orderitems": [{"item": "apple", "quantity": 1}, {"item": "pear", "quantity": 2, "price": "3.00"}],
        "placed_at": "2030-01-01T12:00:00.123000Z",
    }
    assert answer.headers["Location"] == f"/orderdetails?orderid={reference}"
    assert answer.headers["ETag"] == f'"{reference}.1"'
    assert "Idempotent-Replayed" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert service.enqueued == [service.documents[reference]]
    assert service.count("retail_orders_placed_total") == 1


def test_order_is_accepted_when_the_relay_queue_is_full(service: OrderService) -> None:
    service.has_room = False

    assert service.place().status_code == 200
    assert [d["outbox"]["attempts"] for d in service.documents.values()] == [0]


@pytest.mark.parametrize("missing", ["userid", "cost", "orderitems"])
def test_missing_field_returns_422(service: OrderService, missing: str) -> None:
    answer = service.place({name: value for name, value in order().items() if name != missing})

    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["errors"] == [{"pointer": f"/{missing}", "detail": f"Object missing required field `{missing}`"}]


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/userid", {"userid": {"$ne": None}}),
        ("/userid", {"userid": ""}),
        ("/userid", {"userid": 7}),
        ("/cost", {"cost": {"$ne": None}}),
        ("/cost", {"cost": "-0"}),
        ("/cost", {"cost": -1}),
        ("/cost", {"cost": "1.234"}),
        ("/cost", {"cost": "1e3"}),
        ("/cost", {"cost": True}),
        ("/cost", {"cost": None}),
        ("/cost", {"cost": 12345678901}),
        ("/orderitems", {"orderitems": {"$ne": None}}),
        ("/orderitems", {"orderitems": []}),
        ("/orderitems", {"orderitems": ["apple"] * 101}),
        ("/orderitems", {"orderitems": "apple"}),
        ("/orderitems/0", {"orderitems": [""]}),
        ("/orderitems/0", {"orderitems": ["a" * 201]}),
        ("/orderitems/0", {"orderitems": [7]}),
        ("/orderitems/0/$ne", {"orderitems": [{"$ne": None}]}),
        ("/orderitems/0/item", {"orderitems": [{"item": {"$ne": None}}]}),
        ("/orderitems/1/quantity", {"orderitems": ["apple", {"item": "pear", "quantity": 0}]}),
        ("/orderitems/0/quantity", {"orderitems": [{"item": "pear", "quantity": 10_001}]}),
        ("/orderitems/0/quantity", {"orderitems": [{"item": "pear", "quantity": 1.5}]}),
        ("/orderitems/0/quantity", {"orderitems": [{"item": "pear", "quantity": "2"}]}),
        ("/orderitems/0/price", {"orderitems": [{"item": "pear", "price": -1}]}),
        ("/currency", {"currency": "EUR"}),
        ("/currency", {"currency": "usd"}),
        ("/currency", {"currency": {"$ne": None}}),
        ("/discount", {"discount": 1}),
    ],
)
def test_invalid_field_is_named_by_its_pointer(service: OrderService, pointer: str, changes: dict[str, Any]) -> None:
    answer = service.place(order(**changes))

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert not service.documents


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,]",
        b"nonsense",
        b'{"cost": NaN}',
        b'{"cost": Infinity}',
        b'{"cost": 1, "cost": 2}',
        b"{}{}",
        b'{"cost": 1} x',
        b'"\xff"',
        b"[" * 17 + b"]" * 17,
        b"[" * 20_000,
        json.dumps(order()).encode("utf-16"),
        b'{"userid": "\\ud800"}',
        b"1" * 5_000,
    ],
)
def test_malformed_body_returns_400(service: OrderService, body: bytes) -> None:
    answer = service.place(body)

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/json; charset=latin-1", "application/x-json"]
)
def test_unsupported_content_type_returns_415(service: OrderService, content_type: str | None) -> None:
    answer = service.client.post(
        "/order", data=json.dumps(order()), content_type=content_type, headers=service.bearer()
    )

    assert answer.status_code == 415


def test_body_above_64_kib_returns_413(service: OrderService) -> None:
    assert service.place(b" " * 65_537).status_code == 413


def test_order_for_another_user_returns_403(service: OrderService) -> None:
    assert service.place(order(userid="bob")).status_code == 403
    assert not service.documents


def test_cost_that_differs_from_the_sum_of_prices_returns_422(service: OrderService) -> None:
    items = [{"item": "apple", "quantity": 3, "price": "1.10"}, {"item": "pear", "price": 1}]
    rejected = service.place(order(cost=4, orderitems=items))
    accepted = service.place(order(cost="4.30", orderitems=items))

    assert rejected.status_code == 422
    assert rejected.json["errors"][0]["pointer"] == "/cost"
    assert "4.00" in rejected.json["detail"]
    assert "4.30" in rejected.json["detail"]
    assert accepted.status_code == 200


@pytest.mark.parametrize("cost", [0, "0", "0.00", 0.0])
def test_free_order_is_placed_and_read(service: OrderService, cost: Any) -> None:
    placed = service.place(order(cost=cost, orderitems=[{"item": "sample", "price": 0}]), key="k")
    again = service.place(order(cost="0.00", orderitems=[{"item": "sample", "price": "0"}]), key="k")

    assert placed.status_code == 200
    assert (placed.json["cost"], placed.json["orderitems"][0]["price"]) == ("0.00", "0.00")
    assert again.data == placed.data
    assert service.read(f"?orderid={placed.json['orderid']}").json["cost"] == "0.00"
    assert [orders.build_event(document).cost for document in service.enqueued] == ["0.00"]


def test_first_currency_is_the_default(tmp_path: Path) -> None:
    service = OrderService(tmp_path, environ={"ORDERS_CURRENCIES": "EUR, USD"})

    assert service.place().json["currency"] == "EUR"
    assert service.place(order(currency="USD")).json["currency"] == "USD"
    assert service.place(order(currency="GBP")).status_code == 422


def test_query_parameter_on_post_returns_400(service: OrderService) -> None:
    answer = service.client.post("/order?userid=alice", json=order(), headers=service.bearer())

    assert answer.status_code == 400


def test_valid_traceparent_is_stored_in_the_outbox_entry(service: OrderService) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    service.place(traceparent=trace)
    service.place(traceparent=trace.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32))

    assert [d["outbox"]["traceparent"] for d in service.enqueued] == [trace, None]


def test_open_mode_allows_placing_without_token_but_not_reading(tmp_path: Path) -> None:
    service = OrderService(tmp_path, environ={"ORDERS_REQUIRE_TOKEN": "false"})
    placed = service.client.post("/order", json=order(userid="bob"))

    assert placed.status_code == 200
    assert service.client.get(placed.headers["Location"]).status_code == 401
    assert service.read(f"?orderid={placed.get_json()['orderid']}", user="bob").status_code == 200


@pytest.mark.parametrize("userid", ["Bob", "-bob", "bob smith", "b/../ob", "bób"])
def test_open_mode_still_rejects_invalid_userid(tmp_path: Path, userid: str) -> None:
    service = OrderService(tmp_path, environ={"ORDERS_REQUIRE_TOKEN": "false"})

    assert service.client.post("/order", json=order(userid=userid)).status_code == 422


def test_place_returns_unavailable_during_database_outage(service: OrderService) -> None:
    service.stop_mongodb()
    answer = service.place()

    assert answer.status_code == 503
    assert answer.json["type"] == "unavailable"
    assert answer.headers["Retry-After"] == "4"
    assert not service.enqueued


def test_place_returns_unavailable_until_indexes_are_ready(tmp_path: Path) -> None:
    service = OrderService(tmp_path, has_indexes=False)
    answer = service.place()

    assert (answer.status_code, answer.json["type"]) == (503, "unavailable")
    assert not service.documents


@pytest.mark.parametrize("is_lost", [True, False])
def test_order_whose_insert_outcome_is_unknown_is_not_enqueued(service: OrderService, *, is_lost: bool) -> None:
    service.fail_next("insert", Failure.LOST if is_lost else Failure.UNANSWERED)
    answer = service.place()

    assert (answer.status_code, answer.json["type"]) == (503, "outcome-unknown")
    assert answer.json["order_reference"] == new_id(service.clock.now, bytes(10))
    assert (answer.json["order_reference"] in service.documents) is not is_lost
    assert answer.headers["Retry-After"] == "1"
    assert not service.enqueued
