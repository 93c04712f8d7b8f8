"""The pure rules of an order."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from order_api import orders
from order_api.models import OrderItem, OrderRequest
from order_api.orders import BadCursor, BadKey, RefusedOrder
from shared.http import strict_json
from shared.ordering import events
from shared.ordering.money import Amount

NOW = datetime(2030, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds
randomness = st.binary(min_size=10, max_size=10)
ids = st.builds(orders.new_id, moments, randomness)
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'), min_size=1)
names = st.text(min_size=1, max_size=200).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
amounts = st.integers(1, 999_999_999_999).map(Amount)
items = st.lists(st.builds(OrderItem, names, st.integers(1, 10_000), st.none()), min_size=1, max_size=5)
checked = st.builds(orders.Order, st.just("alice"), amounts, st.just("USD"), items.map(tuple))


def request(**changes: Any) -> OrderRequest:
    return strict_json.convert({"userid": "alice", "cost": "12.50", "orderitems": ["apple"]} | changes, OrderRequest)


@given(moments, randomness)
def test_an_id_is_a_uuid_of_version_7_that_tells_its_time(moment: datetime, random: bytes) -> None:
    uuid = UUID(orders.new_id(moment, random))

    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")
    assert uuid.int >> 80 == int(moment.timestamp() * 1000)


@given(moments, moments, randomness, randomness)
def test_ids_sort_by_their_milliseconds(one: datetime, other: datetime, first: bytes, second: bytes) -> None:
    assume(int(one.timestamp() * 1000) < int(other.timestamp() * 1000))

    assert orders.new_id(one, first) < orders.new_id(other, second)


@given(randomness, randomness)
def test_ids_of_one_millisecond_keep_74_random_bits(first: bytes, second: bytes) -> None:
    kept = int.from_bytes(bytes.fromhex("0fff3fffffffffffffff"))
    differ = (int.from_bytes(first) ^ int.from_bytes(second)) & kept

    assert (orders.new_id(NOW, first) != orders.new_id(NOW, second)) == bool(differ)
    assert kept.bit_count() == 74


@given(ids)
def test_a_cursor_brings_its_order_back(order_id: str) -> None:
    cursor = orders.encode_cursor(order_id)

    assert orders.decode_cursor(cursor) == order_id
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?#% ")


@given(st.one_of(st.text(), st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode())))
def test_whatever_is_no_cursor_of_ours_is_refused(text: str) -> None:
    try:
        order_id = orders.decode_cursor(text)
    except BadCursor:
        return
    assert orders.encode_cursor(order_id) == text


@given(visible)
def test_a_key_is_the_same_with_quotes_and_without(key: str) -> None:
    assume(len(key) <= 255)

    assert orders.idempotency_key(key) == orders.idempotency_key(f'"{key}"') == key


@given(st.text())
def test_a_key_is_1_to_255_visible_ascii_characters(text: str) -> None:
    inner = text.strip(" \t")
    inner = inner[1:-1] if len(inner) > 1 and inner[0] == inner[-1] == '"' else inner
    is_good = 1 <= len(inner) <= 255 and all("!" <= c <= "~" and c != '"' for c in inner)

    if is_good:
        assert orders.idempotency_key(text) == inner
    else:
        with pytest.raises(BadKey):
            orders.idempotency_key(text)


@given(checked, checked)
def test_fingerprints_are_equal_exactly_when_the_orders_are(one: orders.Order, other: orders.Order) -> None:
    assert orders.fingerprint(one) == orders.fingerprint(msgspec.structs.replace(one))
    assert (orders.fingerprint(one) == orders.fingerprint(other)) == (one == other)


def test_a_fingerprint_never_changes_between_versions_of_the_code() -> None:
    """Or a repeat over an upgrade would be refused as another order."""
    item = {"item": "pear", "quantity": 2, "price": 3}
    order = orders.check(request(cost="12.50", orderitems=["apple", item]), ("USD",))

    assert orders.fingerprint(order) == "17e56be8d4847d9d85dad257bfcee9060dd11621dd658083c8d31d63ff0aa148"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"cost": 4}, {"cost": "4.00"}),
        ({"currency": "USD"}, {}),
        ({"currency": None}, {}),
        ({"orderitems": ["apple"]}, {"orderitems": [{"item": "apple", "quantity": 1, "price": None}]}),
    ],
)
def test_defaults_and_spellings_make_the_same_order(one: dict[str, Any], other: dict[str, Any]) -> None:
    both = [orders.check(request(**({"cost": 4} | changes)), ("USD", "EUR")) for changes in (one, other)]

    assert both[0] == both[1]


@pytest.mark.parametrize("userid", ["Alice", ".alice", "al ice", "älice", "a/b", "alice\n"])
def test_userid_must_be_a_user_name(userid: str) -> None:
    with pytest.raises(RefusedOrder) as refusal:
        orders.check(request(userid=userid), ("USD",))

    assert refusal.value.pointer == "/userid"


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 10**9)), min_size=1, max_size=100), st.integers(1, 10**9)
)
def test_cost_must_be_the_sum_when_every_item_has_a_price(lines: list[tuple[int, int]], cost: int) -> None:
    entries: list[Any] = [OrderItem("x", quantity, Amount(price)) for quantity, price in lines]
    total = sum(quantity * price for quantity, price in lines)

    orders.check(OrderRequest("alice", Amount(total), entries), ("USD",))
    orders.check(OrderRequest("alice", Amount(cost), [*entries, "without a price"]), ("USD",))
    if cost != total:
        with pytest.raises(RefusedOrder):
            orders.check(OrderRequest("alice", Amount(cost), entries), ("USD",))


@given(checked, ids)
def test_the_event_of_a_document_survives_the_wire(order: orders.Order, order_id: str) -> None:
    record = orders.document(order, order_id=order_id, now=NOW)
    event = orders.event(record)
    key, value, headers = events.encode(event, record["outbox"]["traceparent"])

    assert events.decode(key, value, headers) == event
    assert (event.orderid, event.userid, event.placed_at) == (order_id, "alice", NOW)


def test_the_document_holds_order_event_and_idempotency_record() -> None:
    order = orders.check(request(), ("USD",))
    record = orders.document(order, order_id="id", now=NOW, key="k", traceparent=TRACE)

    assert record["idempotency"] == {"key": "k", "fingerprint": orders.fingerprint(order)}
    assert record["outbox"] == {"due": NOW + timedelta(seconds=2), "attempts": 0, "claim": None, "traceparent": TRACE}
    assert record["history"] == [{"status": "PLACED", "at": NOW, "by": "order-api", "reason": None}]
    assert "idempotency" not in orders.document(order, order_id="id", now=NOW)


@pytest.mark.parametrize(
    ("header", "is_good"),
    [
        (TRACE, True),
        (TRACE.replace("00-", "cc-", 1), True),
        (TRACE.replace("00-", "ff-", 1), False),
        (TRACE.upper(), False),
        (TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), False),
        (TRACE.replace("b7ad6b7169203331", "0" * 16), False),
        (TRACE + "-x", False),
        (TRACE + "\n", False),
        ("", False),
        (None, False),
    ],
)
def test_only_a_valid_trace_context_is_taken(header: str | None, *, is_good: bool) -> None:
    assert orders.traceparent(header) == (header if is_good else None)
