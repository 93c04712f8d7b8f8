"""POST /order through the Flask client."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.orders import away
from order_api.store import OutcomeUnknown
from support.order_api import OrderService, order


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


def test_an_order_is_stored_offered_for_publishing_and_answered_with_its_reference(service: OrderService) -> None:
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
    assert service.enqueued == [service.store.documents[reference]]
    assert service.count("retail_orders_placed_total") == 1


def test_an_order_is_answered_when_there_is_no_room_for_its_event(service: OrderService) -> None:
    service.has_room = False

    assert service.place().status_code == 200
    assert [d["outbox"]["attempts"] for d in service.store.documents.values()] == [0]


@pytest.mark.parametrize("missing", ["userid", "cost", "orderitems"])
def test_all_three_fields_are_mandatory(service: OrderService, missing: str) -> None:
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
        ("/cost", {"cost": 0}),
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
        ("/orderitems/0/price", {"orderitems": [{"item": "pear", "price": 0}]}),
        ("/currency", {"currency": "EUR"}),
        ("/currency", {"currency": "usd"}),
        ("/currency", {"currency": {"$ne": None}}),
        ("/discount", {"discount": 1}),
    ],
)
def test_a_refused_field_is_named_by_its_pointer(service: OrderService, pointer: str, changes: dict[str, Any]) -> None:
    answer = service.place(order(**changes))

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert not service.store.documents


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
def test_a_body_that_is_not_well_formed_is_a_bad_request(service: OrderService, body: bytes) -> None:
    answer = service.place(body)

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/json; charset=latin-1", "application/x-json"]
)
def test_only_json_in_utf_8_is_taken(service: OrderService, content_type: str | None) -> None:
    answer = service.client.post(
        "/order", data=json.dumps(order()), content_type=content_type, headers=service.bearer()
    )

    assert answer.status_code == 415


def test_a_body_above_64_kib_is_refused(service: OrderService) -> None:
    assert service.place(b" " * 65_537).status_code == 413


def test_an_order_for_another_user_is_forbidden(service: OrderService) -> None:
    assert service.place(order(userid="bob")).status_code == 403
    assert not service.store.documents


def test_prices_that_do_not_sum_to_the_cost_are_refused_naming_both_figures(service: OrderService) -> None:
    items = [{"item": "apple", "quantity": 3, "price": "1.10"}, {"item": "pear", "price": 1}]
    refused = service.place(order(cost=4, orderitems=items))
    accepted = service.place(order(cost="4.30", orderitems=items))

    assert refused.status_code == 422
    assert refused.json["errors"][0]["pointer"] == "/cost"
    assert "4.00" in refused.json["detail"]
    assert "4.30" in refused.json["detail"]
    assert accepted.status_code == 200


def test_the_first_currency_is_the_default_and_the_others_can_be_asked_for(tmp_path: Path) -> None:
    service = OrderService(tmp_path, environ={"ORDERS_CURRENCIES": "EUR, USD"})

    assert service.place().json["currency"] == "EUR"
    assert service.place(order(currency="USD")).json["currency"] == "USD"
    assert service.place(order(currency="GBP")).status_code == 422


def test_a_query_parameter_is_refused(service: OrderService) -> None:
    answer = service.client.post("/order?userid=alice", json=order(), headers=service.bearer())

    assert answer.status_code == 400


def test_a_valid_trace_context_goes_with_the_event_and_a_bad_one_is_ignored(service: OrderService) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    service.place(traceparent=trace)
    service.place(traceparent=trace.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32))

    assert [d["outbox"]["traceparent"] for d in service.enqueued] == [trace, None]


def test_without_the_need_for_a_token_anyone_places_for_any_user_but_nobody_reads(tmp_path: Path) -> None:
    service = OrderService(tmp_path, environ={"ORDERS_REQUIRE_TOKEN": "false"})
    placed = service.client.post("/order", json=order(userid="bob"))

    assert placed.status_code == 200
    assert service.client.get(placed.headers["Location"]).status_code == 401
    assert service.read(f"?orderid={placed.get_json()['orderid']}", user="bob").status_code == 200


@pytest.mark.parametrize("userid", ["Bob", "-bob", "bob smith", "b/../ob", "bób"])
def test_without_a_token_userid_must_still_be_a_user_name(tmp_path: Path, userid: str) -> None:
    service = OrderService(tmp_path, environ={"ORDERS_REQUIRE_TOKEN": "false"})

    assert service.client.post("/order", json=order(userid=userid)).status_code == 422


def test_a_database_that_is_away_is_said_to_be_unavailable_with_nothing_done(service: OrderService) -> None:
    service.store.error = away()
    answer = service.place()

    assert answer.status_code == 503
    assert answer.json["type"] == "unavailable"
    assert answer.headers["Retry-After"] == "4"
    assert not service.enqueued


def test_no_order_is_taken_before_the_indexes_are_confirmed(service: OrderService) -> None:
    service.store.indexes_ready = False
    answer = service.place()

    assert (answer.status_code, answer.json["type"]) == (503, "unavailable")
    assert not service.store.documents


@pytest.mark.parametrize("is_lost", [True, False])
def test_an_insert_without_an_answer_is_an_unknown_outcome_and_never_published(
    service: OrderService, *, is_lost: bool
) -> None:
    service.store.insert_error = OutcomeUnknown("tried-id")
    service.store.insert_is_lost = is_lost
    answer = service.place()

    assert (answer.status_code, answer.json["type"]) == (503, "outcome-unknown")
    assert answer.json["order_reference"] == "tried-id"
    assert answer.headers["Retry-After"] == "1"
    assert not service.enqueued
