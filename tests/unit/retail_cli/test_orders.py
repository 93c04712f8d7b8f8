"""`retail orders`, `retail outbox`: what a person and a script see, and the exit codes."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError
from typer.testing import CliRunner, Result

from fakes.operator import NOW, FakeOrders, FakeSession, FakeTopics, marker, order
from retail_cli.main import app
from retail_cli.reports import Copy


def retail(session: FakeSession, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, obj=session)


def said(result: Result) -> Any:
    return json.loads(result.stdout)


def test_show_tells_document_history_event_and_offset() -> None:
    session = FakeSession(FakeOrders(order("o1", "PROCESSED", processed_at=NOW)))
    session.topics.copies["o1"] = [Copy("orders.placed", 3, 17, NOW, handled=True)]

    result = retail(session, "orders", "show", "o1")

    assert result.exit_code == 0
    for expected in ("Order o1  PROCESSED", "12.50 USD", "apple", "6.25", "order-api", "orders.placed", "17", "yes"):
        assert expected in result.stdout
    assert session.closed


def test_show_in_json_has_the_documented_shape() -> None:
    session = FakeSession(FakeOrders(order("o1", outbox=marker(attempts=2, claim="c"))))

    report = said(retail(session, "orders", "show", "o1", "--json"))

    assert report["order"]["cost"] == "12.50"
    assert report["order"]["outbox"] == {"due": "2026-01-02T03:04:05Z", "attempts": 2, "claimed": True}
    assert report["order"]["history"] == [
        {"status": "PLACED", "at": "2026-01-02T03:04:05Z", "by": "order-api", "reason": None}
    ]
    assert (report["events"], report["dead_letters"], report["complete"], report["trouble"]) == ([], [], True, None)


def test_show_of_an_unknown_order_exits_with_1() -> None:
    result = retail(FakeSession(FakeOrders()), "orders", "show", "o1")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "retail: there is no order o1\n"


def test_show_without_kafka_tells_what_mongodb_knows_and_exits_with_3() -> None:
    session = FakeSession(FakeOrders(order("o1")), FakeTopics(away="connection refused"))

    result = retail(session, "orders", "show", "o1", "--json")

    assert result.exit_code == 3
    assert said(result)["order"]["orderid"] == "o1"
    assert said(result)["trouble"] == "the event was not looked for: Kafka is away: connection refused"
    assert "connection refused" in result.stderr


def test_an_item_cannot_write_to_the_terminal() -> None:
    items = [{"item": "\x1b[2Jevil [red]", "quantity": 1}]

    result = retail(FakeSession(FakeOrders(order("o1", orderitems=items))), "orders", "show", "o1")

    assert "\x1b" not in result.stdout
    assert "\\x1b[2Jevil [red]" in result.stdout


def test_stuck_lists_what_is_placed_for_long_and_what_lost_its_event_often() -> None:
    orders = FakeOrders(
        order("o1", age=500, outbox=marker(attempts=7)),
        order("o2", age=400),
        order("o3", age=10, rearmed=5),
        order("o4", age=10),
        order("o5", "PROCESSED", age=900),
    )

    report = said(retail(FakeSession(orders), "orders", "stuck", "--json"))

    assert {one["orderid"]: one["waits_for"] for one in report["orders"]} == {
        "o1": "Kafka: its event is not published, 7 attempts",
        "o2": "the processor: its event is published, and not handled",
        "o3": "a cure: its event is lost again and again, or no consumer can handle it",
    }
    assert report["orders"][0]["age_seconds"] == 500
    assert report["more"] is False


def test_stuck_says_when_the_limit_cut_the_list() -> None:
    session = FakeSession(FakeOrders(order("o1", age=500), order("o2", age=400)))

    result = retail(session, "orders", "stuck", "--limit", "1")

    assert "o1" in result.stdout
    assert "o2" not in result.stdout
    assert "raise --limit" in result.stdout


def test_the_age_from_which_an_order_is_stuck_can_be_set() -> None:
    session = FakeSession(FakeOrders(order("o1", age=20)))

    assert said(retail(session, "orders", "stuck", "--json"))["orders"] == []
    assert len(said(retail(session, "orders", "stuck", "--older-than", "10", "--json"))["orders"]) == 1


def test_a_redriven_order_is_as_old_as_its_redrive() -> None:
    again = {"status": "PLACED", "at": NOW - timedelta(seconds=20), "by": "operator", "reason": None}
    session = FakeSession(FakeOrders(order("o1", age=500)))
    session.orders.documents["o1"]["history"].append(again)

    assert said(retail(session, "orders", "stuck", "--json"))["orders"] == []
    (stuck,) = said(retail(session, "orders", "stuck", "--older-than", "10", "--json"))["orders"]
    assert stuck["age_seconds"] == 20


def test_outbox_status_counts() -> None:
    orders = FakeOrders(order("o1", age=90, outbox=marker(attempts=3)), order("o2"), order("o3", "PROCESSED"))

    result = retail(FakeSession(orders), "outbox", "status", "--json")

    assert said(result) == {
        "pending": 1,
        "due": 1,
        "claimed": 0,
        "oldest_seconds": 90.0,
        "most_attempts": 3,
        "awaiting_processing": 1,
    }


def test_an_empty_outbox_is_said_to_be_empty() -> None:
    result = retail(FakeSession(FakeOrders()), "outbox", "status")

    assert result.exit_code == 0
    assert "pending 0 due now 0 claimed 0 oldest - " in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ServerSelectionTimeoutError("db:27017: refused (configured timeouts: x), Timeout: 2.0s, Topology: y"),
            "retail: MongoDB is away: db:27017: refused\n",
        ),
        (
            OperationFailure("not authorized, full error: {'ok': 0.0}", 13),
            "retail: MongoDB refuses: not authorized\n",
        ),
    ],
)
def test_mongodb_away_or_refusing_is_one_sentence_and_exit_code_3(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: FakeOrders) -> None:
        raise error

    monkeypatch.setattr(FakeOrders, "outbox", fail)

    result = retail(FakeSession(FakeOrders()), "outbox", "status")

    assert (result.exit_code, result.stderr) == (3, sentence)


@pytest.mark.parametrize(
    "arguments", [[], ["orders"], ["orders", "show"], ["orders", "stuck", "--limit", "0"], ["nonsense"]]
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert retail(FakeSession(FakeOrders()), *arguments).exit_code == 2
