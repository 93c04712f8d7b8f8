"""The readiness of a replica, as /readyz reports it."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo.errors import OperationFailure

from fakes.mongo_client import FakeCollection, FakeDatabase
from fakes.replica_set import ReplicaSet
from order_api.app import readiness_error
from order_api.store import OrderStore
from shared.resilience.backoff import Backoff
from shared.resilience.breaker import Breaker
from shared.resilience.startup import StartupTask
from shared.store import INDEXES_PENDING
from shared.telemetry.metrics import BreakerMetrics
from support.clock import Clock
from support.wait import until


def new_store() -> OrderStore:
    database: Any = FakeDatabase(ReplicaSet(Clock()))
    breaker = Breaker("mongodb", BreakerMetrics(CollectorRegistry()))
    return OrderStore(database, breaker, breaker)


@pytest.fixture
def tasks() -> Iterator[list[StartupTask]]:
    """An empty list; the startup tasks that the test adds to it are closed after the test."""
    started: list[StartupTask] = []
    yield started
    for task in started:
        task.close()


def test_replica_is_ready_once_the_indexes_are_confirmed(tasks: list[StartupTask]) -> None:
    store, may_begin = new_store(), threading.Event()

    def prepare() -> None:
        assert may_begin.wait(20)
        store.prepare()

    tasks.append(StartupTask(prepare, pending=INDEXES_PENDING))
    before = readiness_error(tasks[0], store, None)
    may_begin.set()
    until(lambda: readiness_error(tasks[0], store, None) is None, "readiness", every=0.001)

    assert before == "the indexes in MongoDB are not confirmed yet"
    assert store.indexes_ready


def test_unique_index_conflict_is_named_until_it_is_resolved(
    monkeypatch: pytest.MonkeyPatch, tasks: list[StartupTask]
) -> None:
    def conflict(*_: object) -> None:
        raise OperationFailure("an equivalent index exists", code=85)

    store = new_store()
    with monkeypatch.context() as patch:
        patch.setattr(FakeCollection, "create_indexes", conflict)
        tasks.append(StartupTask(store.prepare, pending=INDEXES_PENDING, backoff=Backoff(first=0.001, longest=0.01)))
        sentence = "unique index one_order_per_key of orders cannot be created"
        until(lambda: sentence in (readiness_error(tasks[0], store, None) or ""), "the conflict", every=0.001)
        assert not store.indexes_ready
    until(lambda: readiness_error(tasks[0], store, None) is None, "readiness", every=0.001)
