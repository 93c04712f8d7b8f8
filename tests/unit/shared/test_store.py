"""Calls to MongoDB through a circuit breaker, and the errors that callers get."""

from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client import CollectorRegistry
from pymongo.errors import (
    AutoReconnect,
    DocumentTooLarge,
    DuplicateKeyError,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteError,
)
from structlog.testing import capture_logs

from shared import mongo, store
from shared.resilience.breaker import CONSECUTIVE_FAILURES, Breaker
from shared.store import OutcomeUnknown, StoreUnavailable, insert_guarded, run_guarded
from shared.telemetry.log import LogThrottle
from shared.telemetry.metrics import BreakerMetrics
from support.clock import Clock


@pytest.fixture
def breaker() -> Breaker:
    return Breaker("mongodb", BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure)


def raising(error: Exception) -> Any:
    return Mock(insert_one=Mock(side_effect=error), side_effect=error)


def test_guarded_operation_returns_its_result(breaker: Breaker) -> None:
    assert run_guarded(breaker, lambda: 42) == 42


def test_mongodb_error_becomes_store_unavailable(breaker: Breaker) -> None:
    with pytest.raises(StoreUnavailable) as failure:
        run_guarded(breaker, raising(AutoReconnect("lost")))

    assert failure.value.retry_after == 1


def test_open_breaker_raises_store_unavailable_and_calls_nothing(breaker: Breaker) -> None:
    for _ in range(CONSECUTIVE_FAILURES):
        with pytest.raises(StoreUnavailable):
            run_guarded(breaker, raising(AutoReconnect("lost")))
    operation = Mock()
    with pytest.raises(StoreUnavailable) as failure:
        run_guarded(breaker, operation)

    assert operation.call_count == 0
    assert failure.value.retry_after > 4


@pytest.mark.parametrize(
    "error", [ServerSelectionTimeoutError("no primary"), DocumentTooLarge("16 MiB"), WriteError("rejected", code=121)]
)
def test_insert_that_stored_nothing_raises_store_unavailable(breaker: Breaker, error: Exception) -> None:
    with pytest.raises(StoreUnavailable):
        insert_guarded(breaker, raising(error).insert_one, {"_id": "x"})


@pytest.mark.parametrize(
    "error",
    [AutoReconnect("lost"), NotPrimaryError("stepped down"), WaitQueueTimeoutError("full"), WriteError("full", code=1)],
)
def test_insert_that_may_have_stored_the_document_raises_outcome_unknown(breaker: Breaker, error: Exception) -> None:
    with pytest.raises(OutcomeUnknown) as outcome:
        insert_guarded(breaker, raising(error).insert_one, {"_id": "x"})

    assert outcome.value.document_id == "x"


def test_duplicate_key_does_not_count_as_a_failure(breaker: Breaker) -> None:
    for _ in range(CONSECUTIVE_FAILURES + 1):
        with pytest.raises(DuplicateKeyError):
            insert_guarded(
                breaker, raising(DuplicateKeyError("taken", code=mongo.DUPLICATE_KEY)).insert_one, {"_id": "x"}
            )

    assert breaker.state == "closed"


def test_equal_failures_write_one_log_line_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(store, "_throttle", LogThrottle(clock.seconds, seconds=1.0))

    def fail(error: Exception) -> None:
        with suppress(store.StoreUnavailable), store.errors_as_unavailable():
            raise error

    with capture_logs() as lines:
        for _ in range(5):
            fail(AutoReconnect("down"))
        fail(OperationFailure("no right", 13))
        clock.advance(1)
        fail(AutoReconnect("down"))

    assert [(line["event"], line["error"], line["suppressed"]) for line in lines] == [
        ("mongodb_failed", "AutoReconnect", 0),
        ("mongodb_failed", "OperationFailure", 0),
        ("mongodb_failed", "AutoReconnect", 4),
    ]
