"""The orders and events of one test on real servers, and processors for them."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo.database import Database

from local_stack.stack import Stack
from order_api import orders as rules
from order_api.models import OrderItem
from retail_cli.topics import Topics
from shared import kafka
from shared.kafka_message import Message
from shared.mongo import Document
from shared.ordering import events
from shared.ordering.events import TOPIC
from shared.ordering.money import Amount
from support.servers import ProcessorProcess, connection
from support.wait import until


class SeededOrders:
    """The orders of one test and their events, built like order-api's."""

    def __init__(self, stack: Stack, as_api: Database[Document], as_admin: Database[Document], folder: Path) -> None:
        self.stack = stack
        self.as_api = as_api
        self.as_admin = as_admin
        self.folder = folder
        self.user = f"u{secrets.token_hex(6)}"
        self._producer = kafka.producer(connection(stack, "order-api"), lambda _: None)

    def store(self, count: int, item: str = "apple") -> list[str]:
        """Insert orders without outbox entries, and return their ids."""
        now = datetime.now(UTC).replace(microsecond=0)
        order = rules.Order(self.user, Amount(1250), "USD", (OrderItem(item),))
        ids = [rules.new_id(now, secrets.token_bytes(rules.RANDOM_BYTES)) for _ in range(count)]
        records = [rules.build_document(order, order_id=order_id, now=now) for order_id in ids]
        for record in records:
            del record["outbox"]
        self.as_api.orders.insert_many(records)
        return ids

    def publish(self, ids: Iterable[str]) -> None:
        """Publish the events of orders."""
        for record in self.as_api.orders.find({"_id": {"$in": list(ids)}}):
            self.send(*events.encode(rules.build_event(record)))
        self.flush()

    def send(self, key: bytes | None, value: bytes | None, headers: Any) -> None:
        while True:
            try:
                return self._producer.produce(TOPIC, key=key, value=value, headers=headers)
            except BufferError:
                self._producer.poll(1)

    def flush(self) -> None:
        assert self._producer.flush(60) == 0

    def count(self, status: str) -> int:
        return list(self.statuses().values()).count(status)

    def statuses(self) -> dict[str, str]:
        return {d["_id"]: d["status"] for d in self.as_api.orders.find({"userid": self.user}, {"status": True})}

    def await_settled(self, *, seconds: float = 60) -> dict[str, str]:
        """Wait until no order of the test is PLACED; return their statuses."""
        until(lambda: "PLACED" not in self.statuses().values() or None, "no order to be PLACED", seconds=seconds)
        return self.statuses()

    def assert_one_effect_each(self) -> None:
        for order in self.as_api.orders.find({"userid": self.user}):
            assert [entry["status"] for entry in order["history"]] == ["PLACED", "PROCESSED"], order
            assert order["version"] == 2

    def processor(self, **environ: str) -> ProcessorProcess:
        """Start a process of order-processor."""
        return ProcessorProcess(self.stack, self.folder / f"{secrets.token_hex(3)}.log", **environ)

    def letters(self) -> list[Message]:
        """Return the newest dead letters, newest first."""
        topics = Topics(connection(self.stack, "operator"))
        try:
            return [record.message for record in topics.dead_letters(1_000).items]
        finally:
            topics.close()
