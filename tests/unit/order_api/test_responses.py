"""How responses show orders."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from order_api import orders, responses
from order_api.models import OrderItem
from shared.ordering.money import Amount

NOW = datetime(2030, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)
ORDER = orders.Order("alice", Amount(1250), "USD", (OrderItem("apple"),))


def test_order_larger_than_the_page_size_gets_its_own_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "PAGE_BYTES", 1)
    records = iter([orders.build_document(ORDER, order_id=order_id, now=NOW) for order_id in ("c", "b", "a")])
    page, last = responses.to_page(records, limit=3, on_malformed=lambda error: pytest.fail(str(error)))

    assert (len(page), last) == (1, "c")
    assert next(records)["_id"] == "a"  # c is the page, and b was read to see that there is a next one


def test_page_omits_malformed_orders_and_continues_after_them() -> None:
    ids = [orders.new_id(NOW + timedelta(seconds=n), bytes(10)) for n in range(4, 0, -1)]
    records = [orders.build_document(ORDER, order_id=order_id, now=NOW) for order_id in ids]
    for bad in (1, 3):
        records[bad]["cost"] = 12.5
    named: list[str] = []
    page, last = responses.to_page(iter(records), 3, lambda error: named.append(error.order_id))
    rest, end = responses.to_page(iter(records[2:3]), 3, lambda error: named.append(error.order_id))

    assert [msgspec.json.decode(item)["orderid"] for item in page] == [ids[0], ids[2]]
    assert (named, last) == ([ids[1], ids[3]], ids[3])
    assert (len(rest), end) == (1, None)


def test_details_hide_the_name_of_the_operator() -> None:
    entry = {"status": "PLACED", "at": NOW, "by": "operator:ada", "reason": None}
    record = orders.build_document(ORDER, order_id="o1", now=NOW)
    record["history"].append(entry)

    assert [change.by for change in responses.to_details(record).history] == ["order-api", "operator"]
