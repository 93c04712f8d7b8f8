"""How errors of MongoDB map to the outcome of an insert or a read."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from order_api.store import DuplicateOrder, OrderStore
from shared import mongo
from shared.resilience.breaker import CONSECUTIVE_FAILURES, Breaker
from shared.store import OutcomeUnknown, StoreUnavailable
from shared.telemetry.metrics import BreakerMetrics

RECORD = {"_id": "tried", "userid": "alice"}


class FailingDatabase:
    """A database with one collection; every operation raises `error`, and `calls` counts inserts and reads."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls = 0
        self.client = self.database = self
        self.name = "orders"

    def __getitem__(self, _name: str) -> "FailingDatabase":
        return self

    def with_options(self, **_: Any) -> "FailingDatabase":
        return self

    def list_collections(self, **_: Any) -> None:
        raise self.error

    def insert_one(self, _document: Any) -> None:
        self.calls += 1
        raise self.error

    def find_one(self, *_: Any, **__: Any) -> None:
        self.calls += 1
        raise self.error

    def find(self, *_: Any, **__: Any) -> None:
        self.calls += 1
        raise self.error


def failing(error: Exception) -> tuple[OrderStore, FailingDatabase, Breaker]:
    database: Any = FailingDatabase(error)
    breaker, list_breaker = new_breaker("mongodb"), new_breaker("mongodb-lists")
    return OrderStore(database, breaker, list_breaker), database, breaker


def new_breaker(name: str) -> Breaker:
    return Breaker(name, BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure)


def read_list(store: OrderStore) -> list[Any]:
    return store.read_newest("alice", status=None, after=None, limit=1, read=list)


@pytest.mark.parametrize(
    "error",
    [
        ServerSelectionTimeoutError("no primary"),
        WriteError("document failed validation", 121),
    ],
)
def test_insert_that_was_certainly_not_applied_raises_store_unavailable(error: Exception) -> None:
    with pytest.raises(StoreUnavailable):
        failing(error)[0].insert(RECORD)


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection reset"),
        NetworkTimeout("timed out"),
        WaitQueueTimeoutError("no free connection, for the first try or for the second"),
        NotPrimaryError("stepped down"),
        ExecutionTimeout("too late", 50),
        WriteConcernError("shutdown", 91),
        WTimeoutError("no majority", 64),
        OperationFailure("not authorized, to the first try or to the second", 13),
        OperationFailure("authentication failed, for the first try or for the second", 18),
        WriteError("out of disk space, for the first try or for the second", 14031),
        OperationFailure("whatever comes next", 99999),
    ],
)
def test_insert_that_may_have_been_applied_raises_outcome_unknown(error: Exception) -> None:
    with pytest.raises(OutcomeUnknown) as outcome:
        failing(error)[0].insert(RECORD)

    assert outcome.value.document_id == "tried"


def test_duplicate_key_does_not_open_the_breaker() -> None:
    store, _, breaker = failing(DuplicateKeyError("E11000", 11000))
    for _ in range(CONSECUTIVE_FAILURES):
        with pytest.raises(DuplicateOrder):
            store.insert(RECORD)

    assert breaker.state == "closed"


def test_open_breaker_rejects_an_insert_with_retry_after() -> None:
    store, database, breaker = failing(AutoReconnect())
    for _ in range(CONSECUTIVE_FAILURES):
        with pytest.raises(StoreUnavailable):
            store.find("x", "alice")

    assert breaker.state == "open"
    with pytest.raises(StoreUnavailable) as rejection:
        store.insert(RECORD)
    assert database.calls == CONSECUTIVE_FAILURES
    assert 4 < rejection.value.retry_after <= 5


@pytest.mark.parametrize(
    "error", [AutoReconnect(), ServerSelectionTimeoutError(), OperationFailure("not authorized", 13)]
)
def test_failed_read_raises_store_unavailable(error: Exception) -> None:
    store = failing(error)[0]

    for read in (lambda: store.find("x", "alice"), lambda: store.is_pending("x", "alice")):
        with pytest.raises(StoreUnavailable):
            read()


def test_failed_list_reads_open_only_the_breaker_for_lists() -> None:
    store, database, breaker = failing(NetworkTimeout("timed out"))
    for _ in range(CONSECUTIVE_FAILURES):
        with pytest.raises(StoreUnavailable):
            read_list(store)
    with pytest.raises(StoreUnavailable) as rejected:
        read_list(store)
    calls = database.calls
    with pytest.raises(OutcomeUnknown):
        store.insert(RECORD)

    assert rejected.value.retry_after > 4
    assert calls == CONSECUTIVE_FAILURES
    assert database.calls == calls + 1
    assert breaker.state == "closed"
