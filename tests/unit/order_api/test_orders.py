"""The id, the fingerprint, the validation, the document and the event of an order."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from order_api import orders
from order_api.models import OrderItem, OrderRequest
from order_api.orders import OrderRejected
from shared.http import strict_json
from shared.ordering import events
from shared.ordering.money import Amount

NOW = datetime(2030, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds
randomness = st.binary(min_size=10, max_size=10)
ids = st.builds(orders.new_id, moments, randomness)
names = st.text(min_size=1, max_size=200).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
amounts = st.integers(1, 999_999_999_999).map(Amount)
items = st.lists(st.builds(OrderItem, names, st.integers(1, 10_000), st.none()), min_size=1, max_size=5)
checked = st.builds(orders.Order, st.just("alice"), amounts, st.just("USD"), items.map(tuple))


def request(**changes: Any) -> OrderRequest:
    return strict_json.convert({"userid": "alice", "cost": "12.50", "orderitems": ["apple"]} | changes, OrderRequest)


@given(moments, randomness)
def test_order_id_is_a_uuid7_of_the_given_time(moment: datetime, random: bytes) -> None:
    uuid = UUID(orders.new_id(moment, random))

    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")
    assert uuid.int >> 80 == int(moment.timestamp() * 1000)


@given(moments, moments, randomness, randomness)
def test_order_ids_sort_by_their_time_in_milliseconds(
    one: datetime, other: datetime, first: bytes, second: bytes
) -> None:
    assume(int(one.timestamp() * 1000) < int(other.timestamp() * 1000))

    assert orders.new_id(one, first) < orders.new_id(other, second)


@given(randomness, randomness)
def test_order_ids_keep_74_random_bits(first: bytes, second: bytes) -> None:
    kept = int.from_bytes(bytes.fromhex("0fff3fffffffffffffff"))
    differ = (int.from_bytes(first) ^ int.from_bytes(second)) & kept

    assert (orders.new_id(NOW, first) != orders.new_id(NOW, second)) == bool(differ)
    assert kept.bit_count() == 74


@given(checked, checked)
def test_fingerprints_are_equal_only_for_equal_orders(one: orders.Order, other: orders.Order) -> None:
    assert orders.fingerprint(one) == orders.fingerprint(msgspec.structs.replace(one))
    assert (orders.fingerprint(one) == orders.fingerprint(other)) == (one == other)


def test_fingerprint_is_stable_across_releases() -> None:
    """If it changed, a retry after an upgrade would be rejected as a different order."""
    item = {"item": "pear", "quantity": 2, "price": 3}
    order = orders.validate(request(cost="12.50", orderitems=["apple", item]), ("USD",))

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
def test_equivalent_bodies_make_equal_orders(one: dict[str, Any], other: dict[str, Any]) -> None:
    both = [orders.validate(request(**({"cost": 4} | changes)), ("USD", "EUR")) for changes in (one, other)]

    assert both[0] == both[1]


@pytest.mark.parametrize("userid", ["Alice", ".alice", "al ice", "älice", "a/b", "alice\n"])
def test_invalid_userid_is_rejected(userid: str) -> None:
    with pytest.raises(OrderRejected) as rejection:
        orders.validate(request(userid=userid), ("USD",))

    assert rejection.value.pointer == "/userid"


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 10**9)), min_size=1, max_size=100), st.integers(1, 10**9)
)
def test_cost_must_equal_the_total_if_all_items_are_priced(lines: list[tuple[int, int]], cost: int) -> None:
    entries: list[Any] = [OrderItem("x", quantity, Amount(price)) for quantity, price in lines]
    total = sum(quantity * price for quantity, price in lines)

    orders.validate(OrderRequest("alice", Amount(total), entries), ("USD",))
    orders.validate(OrderRequest("alice", Amount(cost), [*entries, "without a price"]), ("USD",))
    if cost != total:
        with pytest.raises(OrderRejected):
            orders.validate(OrderRequest("alice", Amount(cost), entries), ("USD",))


@given(checked, ids)
def test_event_built_from_a_document_survives_encoding_and_decoding(order: orders.Order, order_id: str) -> None:
    record = orders.build_document(order, order_id=order_id, now=NOW)
    event = orders.build_event(record)
    key, value, headers = events.encode(event, record["outbox"]["traceparent"])

    assert events.decode(key, value, headers) == event
    assert (event.orderid, event.userid, event.placed_at) == (order_id, "alice", NOW)


def test_document_contains_order_outbox_entry_and_idempotency_record() -> None:
    order = orders.validate(request(), ("USD",))
    record = orders.build_document(order, order_id="id", now=NOW, key="k", traceparent=TRACE)

    assert record["idempotency"] == {"key": "k", "fingerprint": orders.fingerprint(order)}
    assert record["outbox"] == {"due": NOW + timedelta(seconds=5), "attempts": 0, "claim": None, "traceparent": TRACE}
    assert record["history"] == [{"status": "PLACED", "at": NOW, "by": "order-api", "reason": None}]
    assert "idempotency" not in orders.build_document(order, order_id="id", now=NOW)
