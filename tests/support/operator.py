"""Runs the `retail` command on real servers, and writes the orders, events and dead letters that it reads."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from typer.testing import CliRunner, Result

from local_stack.stack import Stack
from order_api import orders as rules
from order_api.models import OrderItem
from order_processor.dead_letters import PRODUCER_SETTINGS, DeadLetters
from retail_cli.main import app
from shared import kafka
from shared.kafka_message import Message
from shared.ordering import events, schema
from shared.ordering.dead_letter import DeadLetter
from shared.ordering.money import Amount
from support.servers import connection, database

USER = "alice"


def retail(stack: Stack, *arguments: str, **changed: str) -> Result:
    """Run a `retail` command with the operator's settings in the environment."""
    return CliRunner().invoke(app, arguments, env=stack.client("operator") | changed)


def printed_json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def publish(stack: Stack, message: tuple[bytes, bytes, Any]) -> None:
    """Write a message to the event topic, with the rights of order-api."""
    producer = kafka.producer(connection(stack, "order-api"), lambda _error: None)
    key, value, headers = message
    producer.produce(events.TOPIC, key=key, value=value, headers=headers)
    assert producer.flush(20) == 0


def send_dead_letter(stack: Stack, key: bytes | None, value: bytes) -> None:
    """Write a dead letter in the way order-processor does."""
    now = datetime.now(UTC)
    message = Message(events.TOPIC, 3, 14, key, value, [("ce_type", b"nonsense")])
    letters = DeadLetters(
        lambda: kafka.producer(connection(stack, "order-processor"), lambda _error: None, **PRODUCER_SETTINGS)
    )
    assert letters.send([DeadLetter(message, events.BrokenEvent("no order at all"), 1, now, now)]) == {}


class OrderSeeder:
    """Inserts orders as order-api does, and changes them to the state that a test needs."""

    def __init__(self, orders: Any) -> None:
        self.orders = orders

    def insert(self, *, age: float = 0.0, **changed: Any) -> str:
        now = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=age)
        orderid = rules.new_id(now, secrets.token_bytes(rules.RANDOM_BYTES))
        order = rules.Order(USER, Amount(1250), "USD", (OrderItem("apple", 2, Amount(625)),))
        self.orders.insert_one(rules.build_document(order, order_id=orderid, now=now) | changed)
        return orderid

    def insert_failed(self, reason: str) -> str:
        orderid = self.insert()
        entry = {"status": "FAILED", "at": datetime.now(UTC), "by": "order-processor", "reason": reason}
        update = {"$set": {"status": "FAILED"}, "$unset": {"outbox": ""}, "$push": {"history": entry}}
        self.orders.update_one({"_id": orderid}, update | {"$inc": {"version": 1}})
        return orderid

    def insert_without_outbox_entry(self, **changed: Any) -> str:
        orderid = self.insert(**changed)
        self.orders.update_one({"_id": orderid}, {"$unset": {"outbox": ""}})
        return orderid


@contextmanager
def seeding(stack: Stack) -> Iterator[OrderSeeder]:
    """Yield an OrderSeeder; its orders are deleted when the context ends."""
    with database(stack, "order-api") as as_service, database(stack, "admin") as as_admin:
        schema.ensure(as_service[schema.COLLECTION])
        yield OrderSeeder(as_service.orders)
        as_admin.orders.delete_many({"userid": USER})
