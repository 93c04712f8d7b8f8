"""The stores of order-api under test, on fakes or real servers, with direct access to their data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from prometheus_client import CollectorRegistry
from pymongo.database import Database

from local_stack.stack import Stack
from order_api import orders
from order_api.backlog import BacklogReader
from order_api.models import OrderItem
from order_api.orders import Document
from order_api.outbox import Outbox
from order_api.store import OrderStore
from shared import mongo
from shared.ordering.money import Amount
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics


@dataclass
class StoreHarness:
    """The order store and the outbox of one collection, with direct access to its documents."""

    store: OrderStore
    outbox: Outbox
    backlog: BacklogReader
    raw: Callable[[str], Document]
    change: Callable[[str, Document], None]
    reject_changes: Callable[[str], None]
    _numbers: Iterator[int] = field(default_factory=count)

    def make(self, *, user: str = "alice", key: str | None = None, age: float = 10.0, cost: int = 100) -> Document:
        """Return the document of an order placed `age` seconds ago by the database's clock."""
        now = self.outbox.now() - timedelta(seconds=age)
        order_id = orders.new_id(now, next(self._numbers).to_bytes(10, "big"))
        order = orders.Order(user, Amount(cost), "USD", (OrderItem("apple", 2, Amount(50)),))
        return orders.build_document(order, order_id=order_id, now=now, key=key)

    def place(self, **given: Any) -> str:
        record = self.make(**given)
        self.store.insert(record)
        return str(record["_id"])

    def due_in(self, order_id: str) -> float:
        due: datetime = self.raw(order_id)["outbox"]["due"]
        return (due - self.outbox.now()).total_seconds()


def to_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def invalid_utf8(document: Document) -> RawBSONDocument:
    """Return `document`, to be written, with two bytes that are not UTF-8 in place of each é."""
    return RawBSONDocument(bson.encode(document).replace("é".encode(), b"\xff\xff"))


def connect(servers: Stack, user: str) -> Database[Document]:
    variables = servers.client(user)
    ca_file, database = Path(variables["MONGODB_CA_FILE"]), variables["MONGODB_DATABASE"]
    return mongo.connect(variables["MONGODB_URI"], ca_file=ca_file, database=database, app_name="tests", pool=32)


def new_breaker() -> Breaker:
    return Breaker("mongodb", BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure)
