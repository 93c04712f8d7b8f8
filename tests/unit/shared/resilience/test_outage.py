"""Which errors are outages, and how bisection finds the bad record of a batch."""

from collections.abc import Sequence

import pytest
from bson.errors import InvalidDocument
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, PyMongoError, WriteError

from shared.kafka import KafkaError, KafkaException
from shared.resilience.breaker import CircuitOpen
from shared.resilience.outage import bisect, is_outage
from shared.store import StoreUnavailable


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("lost"),
        OperationFailure("not authorized", code=13),
        OperationFailure("out of disk space", code=14031),
        BulkWriteError({"writeErrors": [{"code": 121}], "writeConcernErrors": [{"code": 64}]}),
        KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)),
        CircuitOpen("mongodb", 1),
        StoreUnavailable(),
        OSError("no space left"),
        MemoryError(),
    ],
    ids=repr,
)
def test_error_of_a_dependency_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        WriteError("validation failed", code=121),
        BulkWriteError({"writeErrors": [{"code": 11000}]}),
        InvalidDocument("cannot encode"),
        ZeroDivisionError(),
    ],
    ids=repr,
)
def test_error_of_one_record_is_not_an_outage(error: Exception) -> None:
    assert not is_outage(error)


@given(st.sets(st.integers(0, 99), max_size=5), st.integers(0, 100))
def test_bisect_returns_bad_records_and_applies_change_to_the_others(bad: set[int], size: int) -> None:
    applied: set[int] = set()
    calls = 0

    def apply(batch: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        if bad & set(batch):
            raise WriteError("rejected", code=121)
        applied.update(batch)

    rejected = bisect(range(size), apply)

    assert {record for record, _ in rejected} == bad & set(range(size))
    assert applied == set(range(size)) - bad
    assert all(isinstance(error, WriteError) for _, error in rejected)
    assert calls <= 1 + 2 * 7 * len(rejected)


def test_bisect_stops_and_raises_at_the_first_outage() -> None:
    batches: list[Sequence[int]] = []

    def apply(batch: Sequence[int]) -> None:
        batches.append(batch)
        raise AutoReconnect("lost")

    with pytest.raises(PyMongoError):
        bisect(range(500), apply)

    assert len(batches) == 1
