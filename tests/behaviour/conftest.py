"""Fixtures that run the same tests of order-api's stores on MongoDB in memory and on a real server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.database import Database

from fakes import mongo_client
from fakes.replica_set import ReplicaSet
from local_stack.stack import Stack
from order_api.backlog import BacklogReader
from order_api.orders import Document
from order_api.outbox import Outbox
from order_api.store import OrderStore
from shared.ordering import schema
from support.order_stores import StoreHarness, connect, new_breaker, to_milliseconds


@pytest.fixture
def in_memory() -> StoreHarness:
    """The stores of order-api on a replica set in memory."""
    servers = ReplicaSet(lambda: to_milliseconds(datetime.now(UTC)))
    # every earlier write reaches a majority before the next operation
    servers.before_operation = lambda _: servers.replicate()
    anything: Any = mongo_client.FakeDatabase(servers)
    store = OrderStore(anything, new_breaker(), new_breaker())
    store.prepare()

    def change(order_id: str, fields: Document) -> None:
        servers.update({"_id": order_id}, {"$set": fields}, many=False)
        servers.replicate()

    outbox, backlog = Outbox(anything, new_breaker(), choose=lambda _: 0), BacklogReader(anything, new_breaker())
    return StoreHarness(store, outbox, backlog, lambda i: servers.primary[i], change, servers.rejected_ids.add)


@pytest.fixture
def admin(servers: Stack) -> Iterator[Database[Document]]:
    """An administrator's connection to the test database; the orders are deleted before and after the test."""
    database = connect(servers, "admin")
    database.drop_collection(schema.COLLECTION)
    yield database
    database.drop_collection(schema.COLLECTION)
    database.client.close()


@pytest.fixture
def database(servers: Stack, admin: Database[Document]) -> Iterator[Database[Document]]:
    assert admin is not None
    database = connect(servers, "order-api")
    yield database
    database.client.close()


@pytest.fixture
def real(database: Database[Document], admin: Database[Document]) -> StoreHarness:
    store = OrderStore(database, new_breaker(), new_breaker())
    store.prepare()
    collection = admin[schema.COLLECTION]

    def reject_changes(order_id: str) -> None:
        rule = {"$or": [{"_id": {"$ne": order_id}}, {"outbox.attempts": 0}]}
        admin.command("collMod", schema.COLLECTION, validator={"$and": [schema.VALIDATOR, rule]})

    def raw(order_id: str) -> Document:
        document = collection.find_one({"_id": order_id})
        assert document is not None
        return document

    def change(order_id: str, fields: Document) -> None:
        collection.update_one({"_id": order_id}, {"$set": fields}, bypass_document_validation=True)

    outbox, backlog = Outbox(database, new_breaker(), choose=lambda _: 0), BacklogReader(database, new_breaker())
    return StoreHarness(store, outbox, backlog, raw, change, reject_changes)


@pytest.fixture(params=["in_memory", "real"])
def harness(request: pytest.FixtureRequest) -> StoreHarness:
    harness: StoreHarness = request.getfixturevalue(request.param)
    return harness
