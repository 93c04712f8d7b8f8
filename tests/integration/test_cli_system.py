"""The `retail` command and the load generator on the running system."""

from pathlib import Path
from typing import Any

import pytest

from local_stack.stack import Stack
from support import wait
from support.customer import Customer
from support.operator import OrderSeeder, printed_json, retail
from support.servers import database

pytestmark = pytest.mark.usefixtures("quiet_command")


def test_show_follows_an_order_through_the_running_system(stack: Stack, customer: Customer) -> None:
    orderid = customer.place()
    customer.processed(orderid)

    report = wait.until(lambda: _handled(stack, orderid), "the event of a processed order is handled")

    assert report["order"]["status"] == "PROCESSED"
    assert [h["status"] for h in report["order"]["history"]] == ["PLACED", "PROCESSED"]
    assert len(report["events"]) == 1
    assert printed_json(retail(stack, "breakers", "--stack", str(stack_file(stack)), "--json"))["replicas"]


def test_load_places_orders_and_sees_each_processed_once(stack: Stack, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    summary = printed_json(
        retail(
            stack, "load", "--url", stack.base_url, "--ca", stack.ca, "--count", "20", "--ledger", str(ledger), "--json"
        )
    )

    assert (summary["accepted"], summary["verified"], summary["ok"]) == (20, 20, True)
    assert len(ledger.read_text(encoding="utf-8").splitlines()) >= 41


def test_reconcile_command_requeues_an_order_whose_event_is_lost(stack: Stack, customer: Customer) -> None:
    first = customer.place()
    customer.processed(first)
    wait.until(lambda: _handled(stack, first), "the group is at the end of the topic")
    stack.stop("order-processor-0")  # otherwise order-processor's own reconciliation would requeue the order
    with database(stack, "order-api") as as_service:
        try:
            lost = OrderSeeder(as_service.orders).insert_without_outbox_entry()
            dry = printed_json(retail(stack, "orders", "reconcile", "--dry-run", "--json"))
            report = printed_json(retail(stack, "orders", "reconcile", "--json"))
        finally:
            stack.start("order-processor-0")

        assert (dry["outcome"], dry["rearmed"]) == ("rearmed", 1)
        assert (report["outcome"], report["rearmed"]) == ("rearmed", 1)
        processed = {"_id": lost, "status": "PROCESSED"}
        order = wait.until(lambda: as_service.orders.find_one(processed), "the order is PROCESSED", seconds=60)
        assert order["rearmed"] == 1


def stack_file(stack: Stack) -> Path:
    return Path(stack.ca).parents[1] / "stack.json"


def _handled(stack: Stack, orderid: str) -> Any:
    report = printed_json(retail(stack, "orders", "show", orderid, "--json"))
    return report if report["events"] and all(copy["handled"] for copy in report["events"]) else None
