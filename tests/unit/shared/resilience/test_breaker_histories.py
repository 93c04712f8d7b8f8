"""The circuit breaker in random histories of overlapping calls."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.resilience.breaker import MAX_PROBES, OPEN_SECONDS, WINDOW_SECONDS, Breaker, CircuitOpen, Permit
from support.guarded_breaker import Guarded


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
