"""`retail orders` and `retail outbox`: their tables, JSON output and exit codes."""

from datetime import datetime, timedelta

import pytest
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from fakes.operator import NOW, FakeSession, FakeTopics, order, outbox_entry
from retail_cli.reports import EventCopy
from retail_cli.store import OrderReader, first_id
from support.command import printed_json, retail


def test_show_prints_document_history_event_and_offset() -> None:
    session = FakeSession(order("o1", "PROCESSED", processed_at=NOW))
    session.topics.copies["o1"] = [EventCopy("orders.placed", 3, 17, NOW, handled=True)]

    result = retail(session, "orders", "show", "o1")

    assert result.exit_code == 0
    for expected in ("Order o1  PROCESSED", "12.50 USD", "apple", "6.25", "order-api", "orders.placed", "17", "yes"):
        assert expected in result.stdout
    assert session.closed


def test_show_in_json_has_the_documented_shape() -> None:
    session = FakeSession(order("o1", outbox=outbox_entry(attempts=2, claim="c")))

    report = printed_json(retail(session, "orders", "show", "o1", "--json"))

    assert report["order"]["cost"] == "12.50"
    assert report["order"]["outbox"] == {"due": "2026-01-02T03:04:05Z", "attempts": 2, "claimed": True}
    assert report["order"]["history"] == [
        {"status": "PLACED", "at": "2026-01-02T03:04:05Z", "by": "order-api", "reason": None}
    ]
    assert (report["events"], report["dead_letters"], report["complete"], report["trouble"]) == ([], [], True, None)


def test_show_of_an_unknown_order_exits_with_1() -> None:
    result = retail(FakeSession(), "orders", "show", "o1")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "retail: there is no order o1\n"


def test_show_without_kafka_prints_the_order_and_exits_with_3() -> None:
    session = FakeSession(order("o1"), topics=FakeTopics(unavailable="connection refused"))

    result = retail(session, "orders", "show", "o1", "--json")

    assert result.exit_code == 3
    assert printed_json(result)["order"]["orderid"] == "o1"
    assert (
        printed_json(result)["trouble"] == "the topics could not be searched: Kafka is unavailable: connection refused"
    )
    assert "connection refused" in result.stderr


def test_control_characters_in_an_item_are_escaped() -> None:
    items = [{"item": "\x1b[2Jevil [red]", "quantity": 1}]

    result = retail(FakeSession(order("o1", orderitems=items)), "orders", "show", "o1")

    assert "\x1b" not in result.stdout
    assert "\\x1b[2Jevil [red]" in result.stdout


def test_stuck_lists_old_orders_and_orders_requeued_repeatedly() -> None:
    orders = [
        order("o1", age=500, outbox=outbox_entry(attempts=7)),
        order("o2", age=400),
        order("o3", age=10, rearmed=5),
        order("o4", age=10),
        order("o5", "PROCESSED", age=900),
    ]

    report = printed_json(retail(FakeSession(*orders), "orders", "stuck", "--json"))

    assert {one["orderid"]: one["waits_for"] for one in report["orders"]} == {
        "o1": "Kafka: its event is not published, 7 attempts",
        "o2": "the processor: its event is published, but not handled",
        "o3": "an operator: its event was lost repeatedly, or no consumer can handle it",
    }
    assert report["orders"][0]["age_seconds"] == 500
    assert report["more"] is False


def test_stuck_reports_that_its_limit_cut_the_list() -> None:
    session = FakeSession(order("o1", age=500), order("o2", age=400))

    result = retail(session, "orders", "stuck", "--limit", "1")

    assert "o1" in result.stdout
    assert "o2" not in result.stdout
    assert "raise --limit" in result.stdout


def test_older_than_sets_the_minimum_age_of_stuck_orders() -> None:
    session = FakeSession(order("o1", age=20))

    assert printed_json(retail(session, "orders", "stuck", "--json"))["orders"] == []
    assert len(printed_json(retail(session, "orders", "stuck", "--older-than", "10", "--json"))["orders"]) == 1


def test_age_of_a_redriven_order_starts_at_its_redrive() -> None:
    again = {"status": "PLACED", "at": NOW - timedelta(seconds=20), "by": "operator", "reason": None}
    session = FakeSession(order("o1", age=500))
    session.order("o1")["history"].append(again)

    assert printed_json(retail(session, "orders", "stuck", "--json"))["orders"] == []
    (stuck,) = printed_json(retail(session, "orders", "stuck", "--older-than", "10", "--json"))["orders"]
    assert stuck["age_seconds"] == 20


def test_outbox_status_prints_counts_and_the_oldest_age() -> None:
    orders = [order("o1", age=90, outbox=outbox_entry(attempts=3)), order("o2"), order("o3", "PROCESSED")]

    result = retail(FakeSession(*orders), "outbox", "status", "--json")

    assert printed_json(result) == {
        "pending": 1,
        "due": 1,
        "claimed": 0,
        "oldest_seconds": 90.0,
        "most_attempts": 3,
        "awaiting_processing": 1,
    }


def test_empty_outbox_has_no_oldest_entry() -> None:
    result = retail(FakeSession(), "outbox", "status")

    assert result.exit_code == 0
    assert "pending 0 due now 0 claimed 0 oldest - " in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ServerSelectionTimeoutError("db:27017: refused (configured timeouts: x), Timeout: 2.0s, Topology: y"),
            "retail: MongoDB is unavailable: db:27017: refused\n",
        ),
        (
            OperationFailure("not authorized, full error: {'ok': 0.0}", 13),
            "retail: MongoDB rejects the request: not authorized\n",
        ),
    ],
)
def test_mongodb_failure_is_reported_with_exit_code_3(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: OrderReader) -> None:
        raise error

    monkeypatch.setattr(OrderReader, "outbox", fail)

    result = retail(FakeSession(), "outbox", "status")

    assert (result.exit_code, result.stderr) == (3, sentence)


@pytest.mark.parametrize(
    "arguments", [[], ["orders"], ["orders", "show"], ["orders", "stuck", "--limit", "0"], ["nonsense"]]
)
def test_invalid_arguments_exit_with_2(arguments: list[str]) -> None:
    assert retail(FakeSession(), *arguments).exit_code == 2


def placed_at(moment: datetime, number: int) -> str:
    return f"{first_id(moment)}-7000-8000-{number:012x}"


def test_list_filters_by_user_status_and_time() -> None:
    old, new = placed_at(NOW - timedelta(hours=3), 1), placed_at(NOW - timedelta(minutes=5), 2)
    session = FakeSession(order(old), order(new, "FAILED"), order("o3", userid="bob"))

    def listed(*arguments: str) -> list[str]:
        report = printed_json(retail(session, "orders", "list", *arguments, "--json"))
        return [one["orderid"] for one in report["orders"]]

    assert listed("--user", "alice") == [new, old]
    assert listed("--status", "failed") == [new]
    assert listed("--user", "alice", "--since", "1h") == [new]
    assert listed("--user", "alice", "--until", "2026-01-02T02:04:05Z") == [old]
    assert listed("--until", "2026-01-02T02:00+01:00") == [old]
    assert listed("--since", "2026-01-03") == ["o3"]  # o3 is not a UUIDv7, and sorts after every UUIDv7
    assert listed("--user", "nobody") == []


def test_list_prints_rows_and_reports_that_there_are_more() -> None:
    session = FakeSession(order("o1"), order("o2", "PROCESSED", processed_at=NOW))

    result = retail(session, "orders", "list", "--limit", "1")

    assert result.exit_code == 0
    assert "o2 alice PROCESSED 12.50 USD 2026-01-02" in " ".join(result.stdout.split())
    assert "o1" not in result.stdout
    assert "raise --limit" in result.stdout


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "5 h", ""])
def test_list_with_an_invalid_time_exits_with_2(moment: str) -> None:
    result = retail(FakeSession(), "orders", "list", "--since", moment)

    assert result.exit_code == 2
