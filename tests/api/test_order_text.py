"""Item names are normalized on input; replays also match orders that earlier versions stored unnormalized."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.order_api import OrderService, order

# For each item: the fingerprint that version 0.1.0 stored for alice's order of only this item, with cost 12.50.
OLD_FINGERPRINTS = {
    " apple ": "7ed354f5cc39f43d593285e045efe02a2240f9dde27f2e0a78596c5c21fc9681",
    "Cafe\u0301": "344b5bee4a2044c879fcb038a0a6631e93f6994c76ebc617a67dc3de2419b747",
    "ap\aple": "62866096a2f59edecb82efdba04150d1b128023d8e1e3c981ced9d15f177dd58",
    "\u200b": "9c095f3742d83d57e660151d12bf2d140b306bc513eec7bd7ceb20b9b330321d",
}


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


def store_old(service: OrderService, item: str) -> dict[str, Any]:
    """Store a processed order in the format of version 0.1.0, with the idempotency key `k`; return its document."""
    at = datetime(2026, 11, 24, tzinfo=UTC)
    document = {
        "_id": "019ab3f0-0000-7000-8000-000000000001",
        "userid": "alice",
        "cost": 1250,
        "currency": "USD",
        "orderitems": [{"item": item, "quantity": 1}],
        "status": "PROCESSED",
        "version": 2,
        "placed_at": at,
        "processed_at": at,
        "history": [
            {"status": "PLACED", "at": at, "by": "order-api", "reason": None},
            {"status": "PROCESSED", "at": at, "by": "order-processor", "reason": None},
        ],
        "rearmed": 0,
        "idempotency": {"key": "k", "fingerprint": OLD_FINGERPRINTS[item]},
    }
    service.store.insert(document)
    return document


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("Cafe\u0301", "Caf\u00e9"),
        (" \u00a0apple\t\n", "apple"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("\u05d0\u200f!", "\u05d0\u200f!"),
        ("two  words", "two  words"),
        ("\U0001f34e\ufe0f", "\U0001f34e\ufe0f"),
    ],
)
def test_item_name_is_stored_and_returned_normalized(service: OrderService, sent: str, stored: str) -> None:
    answer = service.place(order(orderitems=[sent, {"item": sent}]))

    assert answer.json["orderitems"] == [{"item": stored, "quantity": 1}] * 2
    assert [line["item"] for line in service.enqueued[0]["orderitems"]] == [stored] * 2


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("ap\aple", "control characters"),
        ("apple\r\nX: y", "control characters"),
        ("a\u2028b", "control characters"),
        ("a\0", "control characters"),
        ("a\x9bb", "control characters"),
        (" ", "visible"),
        ("\u200b\u2060", "visible"),
        ("\u3164", "visible"),
        ("\u0301", "visible"),
        ("\u0958" * 150, "at most 200"),
    ],
)
def test_invalid_item_name_returns_422(service: OrderService, item: str, message: str) -> None:
    text = service.place(order(orderitems=["apple", item]))
    line = service.place(order(orderitems=["apple", {"item": item}]))

    assert (text.status_code, line.status_code) == (422, 422)
    assert [answer.json["errors"][0]["pointer"] for answer in (text, line)] == ["/orderitems/1", "/orderitems/1/item"]
    assert message in text.json["detail"]
    assert not service.documents


def test_different_spelling_of_an_item_name_is_a_replay(service: OrderService) -> None:
    first = service.place(order(orderitems=["Caf\u00e9"]), key="k")
    again = service.place(order(orderitems=[" Cafe\u0301 "]), key="k")

    assert again.data == first.data


@pytest.mark.parametrize("item", OLD_FINGERPRINTS)
def test_retry_after_the_upgrade_returns_the_stored_order(service: OrderService, item: str) -> None:
    old = store_old(service, item)
    answer = service.place(order(orderitems=[item]), key="k")

    assert answer.status_code == 200
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.json["orderid"] == old["_id"]
    assert answer.json["status"] == "PLACED"
    assert answer.json["orderitems"] == [{"item": item, "quantity": 1}]
    assert len(service.documents) == 1


def test_another_order_with_an_old_idempotency_key_returns_422(service: OrderService) -> None:
    store_old(service, "\u200b")
    answer = service.place(order(orderitems=["\u200b\u200b"]), key="k")

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/orderitems/0"


def test_old_order_is_read_as_it_was_stored(service: OrderService) -> None:
    old = store_old(service, "ap\aple")

    assert service.read(f"?orderid={old['_id']}").json["orderitems"][0]["item"] == "ap\aple"
