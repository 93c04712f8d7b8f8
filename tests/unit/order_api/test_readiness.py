"""Whether a replica can serve, as /readyz shows it."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo.errors import OperationFailure

from fakes.mongo_client import FakeCollection, FakeDatabase
from fakes.replica_set import ReplicaSet
from order_api.app import readiness_error
from order_api.store import OrderStore
from shared.ordering.indexes import IndexConflict
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from support.clock import Clock


def new_store() -> OrderStore:
    database: Any = FakeDatabase(ReplicaSet(Clock()))
    breaker = Breaker("mongodb", BreakerMetrics(CollectorRegistry()))
    return OrderStore(database, breaker, breaker)


def test_replica_is_ready_once_the_indexes_are_confirmed() -> None:
    store = new_store()
    before = readiness_error(store, None)
    store.prepare()

    assert before == "the indexes in MongoDB are not confirmed yet"
    assert readiness_error(store, None) is None


def test_unique_index_conflict_is_named_until_it_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def conflict(*_: object) -> None:
        raise OperationFailure("an equivalent index exists", code=85)

    store = new_store()
    with monkeypatch.context() as patch:
        patch.setattr(FakeCollection, "create_indexes", conflict)
        with pytest.raises(IndexConflict):
            store.prepare()
    during = readiness_error(store, None)
    store.prepare()

    assert during is not None
    assert "unique index one_order_per_key of orders cannot be created" in during
    assert readiness_error(store, None) is None
