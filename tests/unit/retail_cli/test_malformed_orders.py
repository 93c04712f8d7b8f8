"""`retail orders check`, and what the other commands do with malformed documents."""

from types import SimpleNamespace
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS

from fakes.operator import NOW, FakeSession, order, outbox_entry
from support.command import printed_json, retail

MALFORMED = [
    ({"cost": 12.5}, "cost: is double 12.5, must be int or long"),
    ({"cost": True}, "cost: is bool True, must be int or long"),
    ({"userid": None}, "userid: is null, must be string"),
    ({"status": "SENT"}, "status: is string SENT, must be PLACED or PROCESSED or FAILED"),
    ({"version": 0}, "version: is 0, must be at least 1"),
    ({"placed_at": DatetimeMS(1 << 60)}, "placed_at: is a date outside the years 1 to 9999"),
    ({"orderitems": []}, "orderitems: is empty"),
    ({"orderitems": ["apple"]}, "orderitems.0: is string apple, must be object"),
    ({"orderitems": [{"item": "apple", "quantity": "2"}]}, "orderitems.0.quantity: is string 2, must be int or long"),
    ({"history": []}, "history: is empty"),
    ({"outbox": {"due": 5, "attempts": 0}}, "outbox.due: is int 5, must be date or string"),
    (
        {"outbox": {"due": "excluded", "attempts": 0}},
        "outbox.due: is string excluded: no service publishes or fails this order",
    ),
    ({"outbox": "soon"}, "outbox: is string soon, must be object"),
    ({"idempotency": {"key": "k"}}, "idempotency.fingerprint: is missing"),
    ({"status": "PROCESSED"}, "status: is PROCESSED, but the last entry of history is PLACED"),
    ({"userid": "al\udcffce"}, "userid: is not valid UTF-8: string al\ufffdce"),
    (
        {"orderitems": [{"item": "caf\udcff", "quantity": 1}]},
        "orderitems.0.item: is not valid UTF-8: string caf\ufffd",
    ),
    ({"note": ["", {"by\udcff": 1}]}, "note.1.by\ufffd: its name is not valid UTF-8"),
]


@pytest.mark.parametrize(("change", "problem"), MALFORMED, ids=[problem for _, problem in MALFORMED])
def test_problem_of_a_malformed_order_is_named_by_check_and_show(change: dict[str, Any], problem: str) -> None:
    session = FakeSession(order("o1"), order("o2") | change)

    checked = retail(session, "orders", "check", "--json")
    shown = retail(session, "orders", "show", "o2", "--json")
    listed = retail(session, "orders", "list", "--json")

    assert checked.exit_code == 1
    assert printed_json(checked) == {
        "orders": [{"orderid": "o2", "problems": [problem]}],
        "examined": 2,
        "complete": True,
        "more": False,
    }
    assert (shown.exit_code, printed_json(shown)["order"]["problems"]) == (0, [problem])
    assert len(printed_json(listed)["orders"]) == 2
    assert problem in retail(session, "orders", "show", "o2").stdout
    assert "o2" in retail(session, "orders", "check").stdout


def test_order_whose_id_and_status_are_not_utf8_is_shown() -> None:
    session = FakeSession(order("o1"), order("o2\udcff", status="\udcff"))

    checked = printed_json(retail(session, "orders", "check", "--json"))["orders"]
    listed = printed_json(retail(session, "orders", "list", "--json"))["orders"]

    assert [one["orderid"] for one in checked] == ["o2\ufffd"]
    assert "_id: is not valid UTF-8: string o2\ufffd" in checked[0]["problems"]
    assert {(one["orderid"], one["status"]) for one in listed} == {("o1", "PLACED"), ("o2\ufffd", "\ufffd")}
    assert retail(session, "orders", "check").exit_code == 1


@pytest.mark.parametrize("field", ["userid", "cost", "currency", "orderitems", "version", "placed_at", "history"])
def test_missing_field_is_named_by_check_show_and_stuck(field: str) -> None:
    document = order("o2", age=500)
    del document[field]
    session = FakeSession(document)

    stuck = printed_json(retail(session, "orders", "stuck", "--json"))["orders"]

    assert printed_json(retail(session, "orders", "show", "o2", "--json"))["order"]["problems"] == [
        f"{field}: is missing"
    ]
    assert [one["waits_for"] for one in stuck] == [f"an operator: its document is malformed ({field}: is missing)"]
    assert retail(session, "orders", "stuck").exit_code == 0
    assert f"{field}: is missing" in retail(session, "orders", "check").stdout


def test_floating_point_cost_is_shown_only_as_a_problem() -> None:
    session = FakeSession(order("o1", cost=1205.0))

    result = retail(session, "orders", "show", "o1")

    assert "12.0" not in result.stdout.replace("double 1205.0", "")
    assert "cost: is double 1205.0" in result.stdout


def test_check_of_well_formed_orders_exits_with_0() -> None:
    session = FakeSession(order("o1", outbox=outbox_entry()), order("o2", "PROCESSED", processed_at=NOW))

    result = retail(session, "orders", "check")

    assert result.exit_code == 0
    assert "Malformed orders: none" in result.stdout
    assert "2 orders examined" in result.stdout


def test_check_stops_at_the_limit() -> None:
    session = FakeSession(*(order(f"o{n}", cost=1.5) for n in range(3)))

    report = printed_json(retail(session, "orders", "check", "--limit", "2", "--json"))

    assert [one["orderid"] for one in report["orders"]] == ["o0", "o1"]
    assert (report["more"], report["complete"]) == (True, False)


def test_check_that_runs_out_of_time_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 100.0])
    monkeypatch.setattr("retail_cli.order_commands.time", SimpleNamespace(monotonic=lambda: next(moments)))

    result = retail(FakeSession(order("o1"), order("o2")), "orders", "check", "--json")

    assert result.exit_code == 1
    assert (printed_json(result)["examined"], printed_json(result)["complete"]) == (1, False)
    assert "only 1 orders were read in 60 s: raise --seconds" in result.stderr
