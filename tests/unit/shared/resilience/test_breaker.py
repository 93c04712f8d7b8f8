"""The circuit breaker's states, by a clock that the tests move."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
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
    Permit,
)
from shared.telemetry.metrics import BreakerMetrics

STATES = ("closed", "open", "half_open")


class Expected(Exception):  # noqa: N818
    """An expected error of the dependency, which counts as ok."""


@dataclass
class Guarded:
    """A breaker, its clock and its metrics."""

    time: float = 1000.0
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            "db",
            BreakerMetrics(self.registry),
            is_failure=lambda error: not isinstance(error, Expected),
            clock=lambda: self.time,
        )

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().failed()

    def succeed(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().ok()

    def opened(self) -> "Guarded":
        self.fail(CONSECUTIVE_FAILURES)
        return self

    def shown(self) -> list[str]:
        return [s for s in STATES if self.value("retail_circuit_breaker_state", state=s) == 1]

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, {"breaker": "db"} | labels) or 0.0


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


def test_failures_of_calls_in_flight_together_do_not_open_the_breaker(guarded: Guarded) -> None:
    """One slow moment fails them all; the next call succeeds."""
    in_flight = [guarded.breaker.acquire() for _ in range(WINDOW_MIN_CALLS // 2)]
    for permit in in_flight:
        permit.failed()
    before = guarded.breaker.state
    guarded.succeed()

    assert (before, guarded.breaker.state) == ("closed", "closed")
    assert guarded.value("retail_circuit_breaker_calls_total", result="rejected") == 0


def test_call_that_fails_after_others_failed_opens_the_breaker(guarded: Guarded) -> None:
    in_flight = [guarded.breaker.acquire() for _ in range(CONSECUTIVE_FAILURES)]
    for permit in in_flight:
        permit.failed()
    before = guarded.breaker.state
    guarded.fail()

    assert (before, guarded.breaker.state) == ("closed", "open")


def test_burst_of_failures_opens_a_breaker_of_retried_calls() -> None:
    """A delivery to Kafka fails only after 20 s of attempts."""
    breaker = Breaker("kafka", BreakerMetrics(CollectorRegistry()), bursts_open=True)
    for permit in [breaker.acquire() for _ in range(CONSECUTIVE_FAILURES)]:
        permit.failed()

    assert breaker.state == "open"


def test_call_begun_before_a_success_does_not_continue_the_row(guarded: Guarded) -> None:
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


def test_probe_without_an_outcome_expires_after_a_minute(guarded: Guarded) -> None:
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


class AnyHistory(RuleBasedStateMachine):
    """Overlapping calls that succeed or fail while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.guarded = Guarded()
        self.running: list[Permit] = []
        self.opened_at = float("-inf")

    @property
    def breaker(self) -> Breaker:
        return self.guarded.breaker

    @rule()
    def begin(self) -> None:
        room, state = self.breaker.available, self.breaker.state
        try:
            self.running.append(self.breaker.acquire())
        except CircuitOpen:
            assert room == 0
            assert state != "closed"
        else:
            assert room > 0

    @precondition(lambda self: self.running)
    @rule(well=st.booleans(), which=st.integers(0, 100))
    def end(self, *, well: bool, which: int) -> None:
        permit, before = self.running.pop(which % len(self.running)), self.breaker.state
        (permit.ok if well else permit.failed)()
        if before != "open" and self.breaker.state == "open":
            assert not well or before == "closed"
            self.opened_at = self.guarded.time

    @rule(seconds=st.sampled_from([0.1, 1.0, OPEN_SECONDS, WINDOW_SECONDS]))
    def pass_time(self, seconds: float) -> None:
        self.guarded.time += seconds

    @invariant()
    def it_is_open_for_its_time_and_never_rejects_for_good(self) -> None:
        assert self.breaker.retry_after >= 1.0
        if self.breaker.state == "open":
            assert (self.breaker.available == 0) == (self.guarded.time < self.opened_at + OPEN_SECONDS)
        elif not self.running:
            assert self.breaker.available > 0

    @invariant()
    def its_metric_shows_its_state(self) -> None:
        assert self.guarded.shown() == [self.breaker.state]

    @invariant()
    def at_most_three_probes_are_out(self) -> None:
        if self.breaker.state == "half_open":
            assert 0 <= self.breaker.available <= MAX_PROBES


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
