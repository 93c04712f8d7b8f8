"""The code reads the orders, events and dead letters of an earlier release; its own formats add only `traceparent`."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import json_util

from order_api import orders as rules
from order_api import responses
from order_api.models import OrderRequest
from shared.http import strict_json
from shared.kafka_message import Message
from shared.mongo import Document
from shared.ordering import dead_letter, events, money
from shared.ordering.dead_letter import DeadLetter
from shared.ordering.events import TOPIC, BrokenEvent, OrderPlaced
from support.handler import TAKEN_AT, HandlerHarness
from support.order_api import OrderService

FIXTURES = Path(__file__).parent / "fixtures"
PLACED_AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
FAILED_AT = PLACED_AT + timedelta(seconds=9)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def fixture(name: str) -> dict[str, Any]:
    text = (FIXTURES / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json_util.loads(text, json_options=json_util.JSONOptions(tz_aware=True, tzinfo=UTC))
    return found


ORDERS: dict[str, Document] = fixture("orders")
EVENTS = fixture("events")
LETTERS = fixture("dead_letters")
REQUESTS: dict[str, str] = fixture("requests")
PLACED = ("new", "new with prices", "published", "claimed", "redriven", "requeued", "stuck")


def stored_message(stored: Document, offset: int = 0) -> Message:
    key, value = (None if stored[part] is None else stored[part].encode() for part in ("key", "value"))
    return Message(TOPIC, 0, offset, key, value, [(name, text.encode()) for name, text in stored["headers"]])


def message_of(event: OrderPlaced, offset: int) -> Message:
    key, value, headers = events.encode(event)
    return Message(TOPIC, 0, offset, key, value, [*headers])


def as_json(record: Document) -> Document:
    """Return the record with text instead of bytes, as the fixtures have it."""
    decoded = {part: None if record[part] is None else record[part].decode() for part in ("key", "value")}
    return decoded | {"headers": [[name, value.decode()] for name, value in record["headers"]]}


def id_of(name: str) -> str:
    order_id: str = ORDERS[name]["_id"]
    return order_id


def harness() -> HandlerHarness:
    return HandlerHarness(*deepcopy([*ORDERS.values()]))


def test_new_order_adds_only_the_traceparent_to_the_stored_format() -> None:
    request = strict_json.convert(strict_json.loads(REQUESTS["new"].encode()), OrderRequest)
    order = rules.validate(request, ["USD", "EUR"])

    document = rules.build_document(order, order_id=id_of("new"), now=PLACED_AT, key="key-1", traceparent=TRACEPARENT)

    entry = ORDERS["new"]["outbox"] | {"due": PLACED_AT + rules.GRACE}  # release 0.1.0 had a grace period of only 2 s
    assert document == ORDERS["new"] | {"outbox": entry, "traceparent": TRACEPARENT}
    assert [*document] == [*ORDERS["new"], "traceparent"]


def test_new_order_without_traceparent_has_exactly_the_stored_fields() -> None:
    request = strict_json.convert(strict_json.loads(REQUESTS["new"].encode()), OrderRequest)
    order = rules.validate(request, ["USD", "EUR"])

    assert rules.build_document(order, order_id="id", now=PLACED_AT, key="key-1").keys() == ORDERS["new"].keys()


@pytest.mark.parametrize("name", ORDERS)
def test_stored_order_is_readable(name: str) -> None:
    details = responses.to_details(ORDERS[name])

    assert (details.orderid, details.status) == (id_of(name), ORDERS[name]["status"])
    assert details.cost == money.text(ORDERS[name]["cost"])
    assert [entry.reason for entry in details.history] == [entry["reason"] for entry in ORDERS[name]["history"]]


@pytest.mark.parametrize("name", EVENTS)
def test_event_of_stored_order_has_the_stored_bytes(name: str) -> None:
    key, value, headers = events.encode(rules.build_event(ORDERS[name]), TRACEPARENT if name == "new" else None)

    assert as_json({"key": key, "value": value, "headers": headers}) == EVENTS[name]


def test_stored_events_process_their_placed_orders_once() -> None:
    case = harness()
    messages = [stored_message(stored, offset) for offset, stored in enumerate(EVENTS.values())]

    batch = case.handle(*messages, *messages[:2])

    assert batch.pending == []
    assert [case.status(id_of(name)) for name in PLACED] == ["PROCESSED"] * len(PLACED)
    assert [case.status(id_of(name)) for name in ("refused", "failed by an error")] == ["FAILED"] * 2
    assert case.servers.view[id_of("processed")] == ORDERS["processed"]
    assert case.count("retail_orders_processed_total") == len(PLACED)
    assert case.dead_letters.sent == []


def test_stored_failed_orders_are_redriven_and_processed() -> None:
    case = harness()
    failed = [id_of("refused"), id_of("failed by an error"), id_of("processed")]

    assert case.orders.redrive(failed, at=TAKEN_AT, by="operator") == 2
    again = [rules.build_event(case.servers.view[order_id]) for order_id in failed[:2]]
    case.handle(*(message_of(event, n) for n, event in enumerate(again)))

    assert [case.status(order_id) for order_id in failed] == ["PROCESSED"] * 3
    assert [len(case.servers.view[order_id]["history"]) for order_id in failed] == [4, 4, 2]


def test_only_stored_orders_without_outbox_entry_are_requeued() -> None:
    case = harness()
    by_stuck = {stuck: case.orders.without_outbox_entry(limit=10, stuck=stuck) for stuck in (False, True)}

    requeued = case.orders.requeue([order["_id"] for order in ORDERS.values()])

    assert by_stuck == {False: [id_of("published")], True: [id_of("stuck")]}
    assert requeued == 2
    assert case.servers.view[id_of("published")]["outbox"].keys() == ORDERS["requeued"]["outbox"].keys()
    assert case.servers.view[id_of("stuck")]["rearmed"] == 6
    assert case.servers.view[id_of("claimed")] == ORDERS["claimed"]


@pytest.mark.parametrize(("name", "key"), [("new", "key-1"), ("new with prices", "key-2")])
def test_repeated_request_gets_its_stored_order(tmp_path: Path, name: str, key: str) -> None:
    service = OrderService(tmp_path)
    service.servers.insert(deepcopy(ORDERS[name]))
    service.servers.replicate()
    headers = service.bearer("alice") | {"Idempotency-Key": key, "Content-Type": "application/json"}

    response = service.client.post("/order", data=REQUESTS[name].encode(), headers=headers)
    other = service.client.post("/order", json={"userid": "alice", "cost": 1, "orderitems": ["x"]}, headers=headers)

    assert (response.status_code, response.get_json()["orderid"]) == (200, id_of(name)), response.text
    assert response.headers["Idempotent-Replayed"] == "true"
    assert other.status_code == 422


def test_dead_letter_has_the_stored_format() -> None:
    original = stored_message(EVENTS["published"])
    message = Message(TOPIC, 3, 41, original.key, b"{?}", original.headers)
    error = BrokenEvent("the value is no order: Object missing required field `orderid`")
    letter = DeadLetter(message, error, 2, PLACED_AT, FAILED_AT)

    assert as_json(dead_letter.whole(letter)) == LETTERS["whole"]
    assert as_json(dead_letter.without_value(letter)) == LETTERS["without value"]
    assert as_json(dead_letter.bare(letter)) == LETTERS["bare"]


@pytest.mark.parametrize("name", LETTERS)
def test_stored_dead_letter_is_readable(name: str) -> None:
    details = dead_letter.details(stored_message(LETTERS[name]).headers)

    assert (details["topic"], details["partition"], details["offset"]) == (TOPIC, "3", "41")
    assert (details["error_class"], details["attempts"]) == ("BrokenEvent", "2")
    assert details["first_failure"] == PLACED_AT.isoformat()
