"""A large batch is applied in two halves at the same time, with the same results as one after the other."""

import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import pytest
from pymongo.errors import AutoReconnect, PyMongoError, WriteError

from shared.resilience.parallel_bisect import LARGE, ParallelBisect

WAIT_SECONDS = 20
batch = range(LARGE + 1)
middle = len(batch) // 2


@pytest.fixture
def parallel() -> Iterator[ParallelBisect]:
    bisect = ParallelBisect()
    yield bisect
    bisect.close()


def test_both_halves_of_a_large_batch_are_applied_at_the_same_time(parallel: ParallelBisect) -> None:
    both = threading.Barrier(2)
    applied: list[int] = []

    def apply(half: Sequence[int]) -> None:
        both.wait(WAIT_SECONDS)
        applied.extend(half)

    assert parallel.bisect(batch, apply) == []
    assert sorted(applied) == [*batch]


def test_smaller_batch_is_applied_at_once(parallel: ParallelBisect) -> None:
    calls: list[tuple[Sequence[int], threading.Thread]] = []

    parallel.bisect(batch[:LARGE], lambda some: calls.append((some, threading.current_thread())))

    assert calls == [(batch[:LARGE], threading.current_thread())]


def test_bad_records_of_both_halves_are_returned(parallel: ParallelBisect) -> None:
    bad = {0, middle - 1, middle, LARGE}
    applied: set[int] = set()

    def apply(some: Sequence[int]) -> None:
        if bad & set(some):
            raise WriteError("rejected", code=121)
        applied.update(some)

    rejected = parallel.bisect(batch, apply)

    assert [record for record, _ in rejected] == sorted(bad)
    assert applied == set(batch) - bad


@pytest.mark.parametrize("failing", [0, middle], ids=["first half", "second half"])
def test_outage_of_one_half_is_raised_when_the_other_has_ended(parallel: ParallelBisect, failing: int) -> None:
    failed = threading.Event()
    ended: list[int] = []

    def apply(half: Sequence[int]) -> None:
        if half[0] == failing:
            failed.set()
            raise AutoReconnect("lost")
        assert failed.wait(WAIT_SECONDS)
        threading.Event().wait(0.1)
        ended.append(half[0])

    with pytest.raises(PyMongoError):
        parallel.bisect(batch, apply)

    assert ended == [middle - failing]


def test_both_halves_have_the_context_of_the_caller(parallel: ParallelBisect) -> None:
    limit: ContextVar[float] = ContextVar("limit", default=0.0)  # such as the one of pymongo.timeout
    limit.set(1.5)
    seen: list[float] = []

    parallel.bisect(batch, lambda _: seen.append(limit.get()))

    assert seen == [1.5, 1.5]


def test_close_stops_the_thread(parallel: ParallelBisect) -> None:
    used: list[threading.Thread] = []
    parallel.bisect(batch, lambda _: used.append(threading.current_thread()))
    (second,) = {*used} - {threading.current_thread()}

    parallel.close()

    second.join(WAIT_SECONDS)
    assert not second.is_alive()
