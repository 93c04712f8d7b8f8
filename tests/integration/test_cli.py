"""The `retail` command on real MongoDB and Kafka, with the rights of the user `operator`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId
from pymongo.errors import OperationFailure

from local_stack.stack import Stack
from order_api import orders as rules
from retail_cli.store import UNREADABLE, Filter
from shared import kafka
from shared.mongo import Document
from shared.ordering import events
from shared.ordering.outbox_entry import EPOCH, PENDING, PUBLISHED
from shared.ordering.status import Status
from support.operator import OrderSeeder, printed_json, publish, retail
from support.order_stores import invalid_utf8
from support.servers import connection, database

pytestmark = pytest.mark.usefixtures("quiet_command")


def test_commands_exit_with_1_for_an_unknown_order(servers: Stack) -> None:
    assert retail(servers, "orders", "show", "unknown").exit_code == 1
    assert retail(servers, "dead-letters", "redrive", "unknown").exit_code == 1


def test_show_finds_every_copy_of_an_event(servers: Stack, seeder: OrderSeeder) -> None:
    orderid = seeder.insert()
    event = rules.build_event(seeder.orders.find_one({"_id": orderid}))
    publish(servers, events.encode(event))
    publish(servers, events.encode(event))

    report = printed_json(retail(servers, "orders", "show", orderid, "--json"))

    assert report["complete"] is True
    assert [copy["topic"] for copy in report["events"]] == ["orders.placed"] * 2
    assert len({copy["partition"] for copy in report["events"]}) == 1
    assert report["events"][0]["offset"] < report["events"][1]["offset"]
    assert [copy["handled"] for copy in report["events"]] == [False, False]


def test_stuck_orders_are_listed_with_what_they_wait_for(servers: Stack, seeder: OrderSeeder) -> None:
    before = printed_json(retail(servers, "outbox", "status", "--json"))
    waiting = seeder.insert(age=400)
    lost = seeder.insert_without_outbox_entry(age=1, rearmed=5)
    unhandled = seeder.insert_without_outbox_entry(age=300)
    fresh = seeder.insert(age=1)
    redriven = seeder.insert(age=400)
    entry = {"status": "PLACED", "at": datetime.now(UTC), "by": "operator", "reason": None}
    seeder.orders.update_one({"_id": redriven}, {"$push": {"history": entry}})

    stuck = {one["orderid"]: one for one in printed_json(retail(servers, "orders", "stuck", "--json"))["orders"]}
    after = printed_json(retail(servers, "outbox", "status", "--json"))

    assert {waiting, lost, unhandled} <= stuck.keys()
    assert not {fresh, redriven} & stuck.keys()
    assert stuck[waiting]["waits_for"].startswith("Kafka")
    assert stuck[unhandled]["waits_for"].startswith("the processor")
    assert 400 <= stuck[waiting]["age_seconds"] < 500
    assert after["pending"] - before["pending"] == 3
    assert after["awaiting_processing"] - before["awaiting_processing"] == 2
    assert after["oldest_seconds"] >= 400


LISTS = [
    Filter(),
    Filter(userid="alice"),
    Filter(userid="alice", status=Status.PLACED),
    Filter(status=Status.FAILED),
    Filter(status=Status.PLACED),
    Filter(since=datetime(2026, 1, 1, tzinfo=UTC)),
    Filter(userid="alice", status=Status.FAILED, until=datetime(2026, 1, 1, tzinfo=UTC)),
]
QUERIES = [PENDING, PUBLISHED, UNREADABLE, {"status": "FAILED"}, *(query for one in LISTS for query in one.queries())]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_no_query_of_the_command_scans_the_whole_collection(seeder: OrderSeeder, query: Document) -> None:
    seeder.insert()

    plan = seeder.orders.find(query).sort("_id", -1).limit(10).explain()["queryPlanner"]["winningPlan"]

    assert "IXSCAN" in str(plan)
    assert "COLLSCAN" not in str(plan)


def test_list_by_user_status_and_time_finds_the_orders(servers: Stack, seeder: OrderSeeder) -> None:
    old = seeder.insert(age=3 * 3600)
    failed = seeder.insert_failed("no such item")
    placed = seeder.insert()

    def listed(*arguments: str) -> list[str]:
        report = printed_json(retail(servers, "orders", "list", *arguments, "--limit", "1000", "--json"))
        return [one["orderid"] for one in report["orders"] if one["orderid"] in {old, failed, placed}]

    assert listed() == sorted([old, failed, placed], reverse=True)
    assert listed("--user", "alice") == sorted([old, failed, placed], reverse=True)
    assert listed("--status", "FAILED") == [failed]
    assert listed("--status", "PLACED") == [placed, old]
    assert listed("--status", "PLACED", "--since", "1h") == [placed]
    assert listed("--user", "alice", "--until", "1h") == [old]
    assert listed("--user", "nobody") == []


def test_malformed_orders_are_found_and_do_not_hide_others(servers: Stack, seeder: OrderSeeder) -> None:
    sound = seeder.insert(age=400)
    malformed: list[tuple[Document, str]] = [
        ({"_id": "0-double", "cost": 12.5}, "cost: is double 12.5, must be int or long"),
        ({"_id": "0-entry", "outbox": {"due": 5, "attempts": 0}}, "outbox.due: is int 5, must be date or string"),
        (
            {"_id": "0-excluded", "outbox": {"due": "excluded", "attempts": 0}},
            "outbox.due: is string excluded: no service",
        ),
        ({"_id": "0-early", "outbox": {"due": EPOCH, "attempts": 0}}, "outbox.due: is not after 1970"),
        ({"_id": "0-far", "placed_at": DatetimeMS(1 << 60)}, "placed_at: is a date outside the years 1 to 9999"),
        (
            {"_id": "0-utf8", "orderitems": [{"item": "café", "quantity": 1}]},
            "orderitems.0.item: is not valid UTF-8: string caf\ufffd\ufffd",
        ),
        ({"_id": ObjectId("65a000000000000000000001")}, "_id: is objectId 65a000000000000000000001, must be string"),
    ]
    whole = seeder.orders.find_one({"_id": sound})
    missing = {"_id": "0-missing", "userid": "alice", "status": "PLACED", "outbox": whole["outbox"]}
    with database(servers, "admin") as as_admin:
        for document in [*(whole | change for change, _ in malformed), missing]:
            as_admin.orders.insert_one(invalid_utf8(document), bypass_document_validation=True)

    checked = retail(servers, "orders", "check", "--limit", "1000", "--json")
    found = {one["orderid"]: one["problems"] for one in json.loads(checked.stdout)["orders"]}
    stuck = {one["orderid"]: one for one in printed_json(retail(servers, "orders", "stuck", "--json"))["orders"]}

    assert checked.exit_code == 1
    for change, problem in malformed:
        order_id = str(change["_id"])
        assert [text.startswith(problem) for text in found[order_id]] == [True]
        shown = printed_json(retail(servers, "orders", "show", order_id, "--json"))["order"]
        assert shown["problems"] == found[order_id]
        assert stuck[order_id]["waits_for"].startswith("an operator: its document is malformed")
    assert "cost: is missing" in found["0-missing"]
    assert "history: is missing" in found["0-missing"]
    assert sound not in found
    assert stuck[sound]["waits_for"].startswith("Kafka")
    assert retail(servers, "orders", "list", "--user", "alice").exit_code == 0
    assert retail(servers, "outbox", "status").exit_code == 0
    assert retail(servers, "dead-letters", "list").exit_code == 0


def test_include_command_requeues_an_excluded_order_once(servers: Stack, seeder: OrderSeeder) -> None:
    orderid = seeder.insert(outbox={"due": "excluded", "attempts": 0})

    first = printed_json(retail(servers, "orders", "include", orderid, "--json"))
    second = printed_json(retail(servers, "orders", "include", orderid, "--json"))

    assert [one["outcome"] for one in first["orders"] + second["orders"]] == ["included", "nothing to do"]
    assert [one["_id"] for one in seeder.orders.find(PENDING | {"_id": orderid})] == [orderid]


def test_operator_cannot_insert_orders_or_write_events(servers: Stack) -> None:
    with database(servers, "operator") as as_operator:
        with pytest.raises(OperationFailure, match="not authorized"):
            as_operator.orders.insert_one({"_id": "mine"})
        with pytest.raises(OperationFailure, match="not authorized"):
            as_operator.users.find_one()

    outcomes: list[Any] = []
    producer = kafka.producer(connection(servers, "operator"), lambda _error: None, **{"enable.idempotence": False})
    producer.produce(events.TOPIC, b"{}", on_delivery=lambda error, _message: outcomes.append(error and error.name()))
    producer.flush(20)
    assert outcomes == ["TOPIC_AUTHORIZATION_FAILED"]
