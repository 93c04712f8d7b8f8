"""The states of the circuit breaker, with a clock that the tests move."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from shared.resilience.breaker import (
    CONSECUTIVE_FAILURES,
    MAX_PROBES,
    OPEN_SECONDS,
    PROBE_SECONDS,
    WINDOW_MIN_CALLS,
    WINDOW_SECONDS,
    Breaker,
    CircuitOpen,
)
from shared.telemetry.metrics import BreakerMetrics
from support.guarded_breaker import STATES, Expected, Guarded


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()


def test_five_failures_in_a_row_open_the_breaker(guarded: Guarded) -> None:
    guarded.fail(4)
    guarded.succeed()
    guarded.fail(4)
    before = guarded.breaker.state
    guarded.fail()

    assert (before, guarded.breaker.state) == ("closed", "open")
    assert guarded.breaker.available == 0
    with pytest.raises(CircuitOpen) as rejection:
        guarded.breaker.acquire()
    assert rejection.value.retry_after == OPEN_SECONDS
    assert guarded.value("retail_circuit_breaker_calls_total", result="rejected") == 1


def test_failures_of_parallel_calls_alone_do_not_open_the_breaker(guarded: Guarded) -> None:
    """Calls in flight at the same time may all fail in one slow moment; only a later call shows whether it lasts."""
    in_flight = [guarded.breaker.acquire() for _ in range(WINDOW_MIN_CALLS // 2)]
    for permit in in_flight:
        permit.failed()
    before = guarded.breaker.state
    guarded.succeed()

    assert (before, guarded.breaker.state) == ("closed", "closed")
    assert guarded.value("retail_circuit_breaker_calls_total", result="rejected") == 0


def test_failed_call_after_parallel_failures_opens_the_breaker(guarded: Guarded) -> None:
    in_flight = [guarded.breaker.acquire() for _ in range(CONSECUTIVE_FAILURES)]
    for permit in in_flight:
        permit.failed()
    before = guarded.breaker.state
    guarded.fail()

    assert (before, guarded.breaker.state) == ("closed", "open")


def test_burst_of_failures_opens_the_breaker_for_deliveries() -> None:
    """The Kafka client itself retries a delivery for 20 s, so a burst of failures means an outage."""
    breaker = Breaker("kafka", BreakerMetrics(CollectorRegistry()), bursts_open=True)
    for permit in [breaker.acquire() for _ in range(CONSECUTIVE_FAILURES)]:
        permit.failed()

    assert breaker.state == "open"


def test_failed_call_begun_before_a_success_does_not_open_breaker(guarded: Guarded) -> None:
    guarded.fail()
    old = guarded.breaker.acquire()
    guarded.succeed()
    for permit in [guarded.breaker.acquire() for _ in range(CONSECUTIVE_FAILURES)]:
        permit.failed()
    old.failed()

    assert guarded.breaker.state == "closed"


def test_breaker_opens_when_half_of_twenty_calls_fail(guarded: Guarded) -> None:
    for _ in range(WINDOW_MIN_CALLS // 2 - 1):
        guarded.fail()
        guarded.succeed()
    guarded.succeed()
    before = guarded.breaker.state
    guarded.fail()

    assert (before, guarded.breaker.state) == ("closed", "open")


def test_calls_older_than_ten_seconds_are_not_counted(guarded: Guarded) -> None:
    for _ in range(WINDOW_MIN_CALLS // 2 - 1):
        guarded.fail()
        guarded.succeed()
    guarded.time += WINDOW_SECONDS
    guarded.succeed()
    guarded.fail()

    assert guarded.breaker.state == "closed"


def test_half_open_breaker_allows_three_probes_at_a_time(guarded: Guarded) -> None:
    guarded.opened().time += OPEN_SECONDS
    room_before = guarded.breaker.available
    probes = [guarded.breaker.acquire() for _ in range(MAX_PROBES)]

    assert room_before == MAX_PROBES
    assert guarded.breaker.available == 0
    with pytest.raises(CircuitOpen):
        guarded.breaker.acquire()
    probes[0].ok()
    assert guarded.breaker.state == "closed"


def test_failed_probe_reopens_the_breaker_for_the_full_time(guarded: Guarded) -> None:
    guarded.opened().time += OPEN_SECONDS
    guarded.fail()

    assert (guarded.breaker.available, guarded.breaker.retry_after) == (0, OPEN_SECONDS)


def test_three_probes_without_an_outcome_expire_after_a_minute(guarded: Guarded) -> None:
    guarded.opened().time += OPEN_SECONDS
    lost = [guarded.breaker.acquire() for _ in range(MAX_PROBES)]
    guarded.time += PROBE_SECONDS
    guarded.succeed()
    lost[0].failed()

    assert guarded.breaker.state == "closed"


def test_outcome_of_a_call_from_an_earlier_state_is_ignored(guarded: Guarded) -> None:
    late = [guarded.breaker.acquire() for _ in range(10)]
    guarded.opened().time += OPEN_SECONDS
    guarded.succeed()
    for permit in late:
        permit.failed()

    assert guarded.breaker.state == "closed"


def test_expected_error_counts_as_success(guarded: Guarded) -> None:
    for _ in range(10):
        with pytest.raises(Expected), guarded.breaker.guard():
            raise Expected

    assert guarded.breaker.state == "closed"
    assert guarded.value("retail_circuit_breaker_calls_total", result="ok") == 10


def test_call_that_opens_the_breaker_raises_its_own_error(guarded: Guarded) -> None:
    for _ in range(CONSECUTIVE_FAILURES):
        with pytest.raises(ZeroDivisionError), guarded.breaker.guard():
            _ = 1 / 0

    assert guarded.breaker.state == "open"


def test_guarded_calls_run_concurrently(guarded: Guarded) -> None:
    all_inside = threading.Barrier(8, timeout=5)

    def call() -> None:
        with guarded.breaker.guard():
            all_inside.wait()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: call(), range(8)))

    assert not all_inside.broken
    assert guarded.value("retail_circuit_breaker_calls_total", result="ok") == 8


def test_every_change_of_state_is_counted(guarded: Guarded) -> None:
    shown = [guarded.shown(), guarded.opened().shown()]
    guarded.time += OPEN_SECONDS
    probe = guarded.breaker.acquire()
    shown.append(guarded.shown())
    probe.ok()
    shown.append(guarded.shown())

    assert shown == [["closed"], ["open"], ["half_open"], ["closed"]]
    assert [guarded.value("retail_circuit_breaker_transitions_total", to=s) for s in STATES] == [1, 1, 1]
