"""`retail dead-letters` on real MongoDB and Kafka: list dead letters and FAILED orders, redrive and acknowledge."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from local_stack.stack import Stack
from shared.ordering import events
from shared.ordering.offsets import GroupOffsets
from support.operator import OrderSeeder, printed_json, retail, send_dead_letter
from support.servers import connection

pytestmark = pytest.mark.usefixtures("quiet_command")


@pytest.fixture
def processors(servers: Stack) -> Iterator[GroupOffsets]:
    """The offsets of the dead letters as order-processor reads them, after three more dead letters were sent."""
    for number in range(3):
        send_dead_letter(servers, b"order-%d" % number, b"{}")
    offsets = GroupOffsets(
        connection(servers, "order-processor"), topic=events.DEAD_LETTER_TOPIC, group=events.DEAD_LETTER_GROUP
    )
    with closing(offsets):
        yield offsets


def acknowledge(servers: Stack, offset: int) -> dict[str, Any]:
    """Acknowledge the dead letter at this offset of partition 0; return the command's JSON output."""
    report: dict[str, Any] = printed_json(retail(servers, "dead-letters", "acknowledge", f"0:{offset}", "--json"))
    return report


def test_failed_order_is_listed_and_redriven_once(servers: Stack, seeder: OrderSeeder) -> None:
    orderid = seeder.insert_failed("we do not sell apples")
    listed = printed_json(retail(servers, "dead-letters", "list", "--json"))
    dry = printed_json(retail(servers, "dead-letters", "redrive", "--all", "--dry-run", "--json"))

    first = printed_json(
        retail(servers, "dead-letters", "redrive", orderid, "--reason", "sold again", "--by", "ada", "--json")
    )
    second = printed_json(retail(servers, "dead-letters", "redrive", orderid, "--json"))

    assert [f["reason"] for f in listed["failed_orders"] if f["orderid"] == orderid] == ["we do not sell apples"]
    assert {"orderid": orderid, "outcome": "would redrive", "detail": "it is FAILED"} in dry["orders"]
    assert [one["outcome"] for one in first["orders"]] == ["redriven"]
    assert [(one["outcome"], one["detail"]) for one in second["orders"]] == [("nothing to do", "it is PLACED")]
    order = printed_json(retail(servers, "orders", "show", orderid, "--json"))["order"]
    assert (order["status"], order["version"]) == ("PLACED", 3)
    assert [(h["status"], h["by"], h["reason"]) for h in order["history"]][-1] == (
        "PLACED",
        "operator:ada",
        "sold again",
    )
    assert order["outbox"]["attempts"] == 0


def test_redrive_all_redrives_a_thousand_failed_orders(servers: Stack, seeder: OrderSeeder) -> None:
    orderids = {seeder.insert() for _ in range(1000)}
    entry = {"status": "FAILED", "at": datetime.now(UTC), "by": "order-processor", "reason": "for a test"}
    seeder.orders.update_many(
        {"_id": {"$in": list(orderids)}},
        {"$set": {"status": "FAILED"}, "$unset": {"outbox": ""}, "$push": {"history": entry}},
    )

    report = printed_json(retail(servers, "dead-letters", "redrive", "--all", "--json"))

    assert {one["orderid"] for one in report["orders"] if one["outcome"] == "redriven"} >= orderids
    assert seeder.orders.count_documents({"_id": {"$in": list(orderids)}, "status": "PLACED"}) == 1000


def test_acknowledged_dead_letters_no_longer_count_as_waiting(servers: Stack, processors: GroupOffsets) -> None:
    before = processors.read()[0]
    done = acknowledge(servers, before.end - 2)
    after = processors.read()[0]

    assert done == {"id": f"0:{before.end - 2}", "outcome": "acknowledged"}
    assert before.lag >= 3
    assert after.lag == 1


def test_acknowledging_an_earlier_dead_letter_keeps_later_ones_acknowledged(
    servers: Stack, processors: GroupOffsets
) -> None:
    last = processors.read()[0].end - 1
    done = [acknowledge(servers, offset) for offset in (last - 1, last - 2, last - 1, last)]
    after = processors.read()[0]

    assert [report["outcome"] for report in done] == ["acknowledged", "nothing to do", "nothing to do", "acknowledged"]
    assert after.lag == 0


def test_dead_letters_are_listed_with_their_cause(servers: Stack, seeder: OrderSeeder) -> None:
    orderid = seeder.insert()
    send_dead_letter(servers, orderid.encode(), b"\xffpoison")
    send_dead_letter(servers, None, b"{}")

    listed = printed_json(retail(servers, "dead-letters", "list", "--json"))["events"]
    letter = next(one for one in listed if one["orderid"] == orderid)
    detail = printed_json(retail(servers, "dead-letters", "show", letter["id"], "--json"))
    of_the_order = printed_json(retail(servers, "orders", "show", orderid, "--json"))["dead_letters"]

    assert listed[0]["orderid"] is None
    assert (letter["order_status"], letter["source"], letter["error"]) == (
        "PLACED",
        "orders.placed 3:14",
        "BrokenEvent",
    )
    assert (letter["message"], letter["attempts"], letter["size"]) == ("no order at all", 1, 7)
    assert (detail["value"], detail["encoding"]) == ("/3BvaXNvbg==", "base64")
    assert ["ce_type", "nonsense"] in detail["headers"]
    assert of_the_order == [letter]
    assert (
        printed_json(retail(servers, "dead-letters", "redrive", letter["id"], "--json"))["orders"][0]["orderid"]
        == orderid
    )
    assert retail(servers, "dead-letters", "show", "0:999999").exit_code == 1
    assert retail(servers, "dead-letters", "show", "77:0").exit_code == 1
