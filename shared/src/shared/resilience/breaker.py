"""Circuit breakers: pybreaker's states, with I/O outside its lock, a failure rate, and a limit on probes.

pybreaker's `call()` holds its lock while the guarded function runs, so threads run one at a time; `calling()` admits
every caller while half-open. Here a call is admitted first, runs without a lock, and its result is then passed to
pybreaker's state machine.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker, CircuitBreakerListener
from pybreaker import CircuitBreakerState as PybreakerState

from shared.telemetry.metrics import BreakerMetrics

CONSECUTIVE_FAILURES = 5
WINDOW_SECONDS = 10.0
WINDOW_MIN_CALLS = 20
WINDOW_FAILURE_RATE = 0.5
OPEN_SECONDS = 5.0
MAX_PROBES = 3
PROBE_SECONDS = 60.0  # longer than any guarded call except an index build
STATES = {STATE_CLOSED: "closed", STATE_OPEN: "open", STATE_HALF_OPEN: "half_open"}


class CircuitOpen(Exception):  # noqa: N818 - the pattern's term
    """The call was not attempted; a retry makes sense after `retry_after` seconds."""

    def __init__(self, breaker: str, retry_after: float) -> None:
        super().__init__(f"the circuit breaker for {breaker} is open")
        self.retry_after = retry_after


class Permit:
    """The permission for one call. Report its result exactly once, from any thread, with `ok` or `failed`."""

    __slots__ = ("_breaker", "epoch", "row")

    def __init__(self, breaker: "Breaker", epoch: int, row: int | None) -> None:
        self._breaker = breaker
        self.epoch = epoch
        # the number of the row of failures that was in progress when the call began; None if there was none
        self.row = row

    def ok(self) -> None:
        """Report that the dependency responded."""
        self._breaker._record(self, ok=True)  # noqa: SLF001 - a permit is part of its breaker

    def failed(self) -> None:
        """Report that the dependency failed."""
        self._breaker._record(self, ok=False)  # noqa: SLF001


class Breaker(CircuitBreakerListener):
    """The circuit breaker of one dependency. Thread-safe; processes share nothing.

    It opens after 5 failures in a row, or when at least half of 20 or more calls in 10 s failed. It stays open for 5 s,
    then admits at most 3 concurrent probes: the first success closes it, the first failure opens it again. If all 3
    probes are still without a result 60 s after the last one began, they are dropped: lost results must not block the
    breaker forever.

    One slow moment can make all calls in flight fail. So 5 failures in a row open the breaker only if the last of these
    calls began after the first of them had failed.
    """

    def __init__(
        self,
        name: str,
        metrics: BreakerMetrics,
        *,
        is_failure: Callable[[Exception], bool] = lambda _: True,
        bursts_open: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_failure` returns False for errors of a working dependency, such as a duplicate key; they count as ok.

        With `bursts_open`, failures of calls that were in flight together open the breaker too: each call had its own
        retries. `clock` is monotonic, in seconds.
        """
        self.name = name
        self._metrics = metrics
        self._is_failure = is_failure
        self._bursts_open = bursts_open
        self._clock = clock
        self._lock = threading.RLock()
        self._window: deque[tuple[float, bool]] = deque()
        self._window_failed = 0
        self._epoch = 0
        self._row = 0
        self._probes = 0
        self._probes_until = 0.0
        self._open_until = 0.0
        self._machine = CircuitBreaker(
            # never reached: this class counts failures itself, because it knows when a call began
            fail_max=sys.maxsize,
            reset_timeout=0,  # this class measures the open time itself, by a monotonic clock
            throw_new_error_on_trip=False,
            listeners=[self],
            name=name,
        )
        # created now, at 0, so that PromQL's increase() sees the first call
        self._ok, self._failed, self._rejected = (
            metrics.calls.labels(name, result) for result in ("ok", "failed", "rejected")
        )
        self._show_state()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run the block as one call; raise CircuitOpen if it is not admitted."""
        permit = self.acquire()
        try:
            yield
        except Exception as error:
            permit.failed() if self._is_failure(error) else permit.ok()
            raise
        except BaseException:  # the process is being stopped and the result is not known: counted as failed
            permit.failed()
            raise
        permit.ok()

    def acquire(self) -> Permit:
        """Admit one call, or raise CircuitOpen."""
        with self._lock:
            if self._machine.current_state == STATE_OPEN and self._clock() >= self._open_until:
                self._machine.half_open()
            self._drop_lost_probes()
            state = self._machine.current_state
            if state == STATE_OPEN or (state == STATE_HALF_OPEN and self._probes >= MAX_PROBES):
                self._rejected.inc()
                raise CircuitOpen(self.name, self.retry_after)
            if state == STATE_HALF_OPEN:
                self._probes += 1
                self._probes_until = self._clock() + PROBE_SECONDS
            return Permit(self, self._epoch, self._row if self._machine.fail_counter else None)

    @property
    def state(self) -> str:
        """`closed`, `open` or `half_open`."""
        return STATES[self._machine.current_state]

    @property
    def available(self) -> int:
        """How many calls would be admitted now: any number if closed, 0 for 5 s after opening, then the free probes."""
        with self._lock:
            self._drop_lost_probes()
            if self._machine.current_state == STATE_CLOSED:
                return sys.maxsize
            if self._machine.current_state == STATE_OPEN:
                return MAX_PROBES if self._clock() >= self._open_until else 0
            return MAX_PROBES - self._probes

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be admitted, at least 1."""
        return max(1.0, self._open_until - self._clock())

    def _drop_lost_probes(self) -> None:
        if self._probes >= MAX_PROBES and self._clock() >= self._probes_until:
            self._epoch += 1
            self._probes = 0

    def _record(self, permit: Permit, *, ok: bool) -> None:
        with self._lock:
            (self._ok if ok else self._failed).inc()
            if permit.epoch != self._epoch:
                return  # admitted before the last change of state, so it does not count for the current one
            if self._machine.current_state == STATE_HALF_OPEN:
                self._probes -= 1
            else:
                self._observe(ok=ok)
            self._row += ok
            with suppress(_FailureError):
                self._machine.call(_succeed if ok else _fail)
            if self._machine.current_state == STATE_CLOSED and (self._row_exceeded(permit) or self._rate_exceeded()):
                self._machine.open()

    def _observe(self, *, ok: bool) -> None:
        now = self._clock()
        self._window.append((now, ok))
        self._window_failed += not ok
        while self._window[0][0] <= now - WINDOW_SECONDS:
            _, was_ok = self._window.popleft()
            self._window_failed -= not was_ok

    def _row_exceeded(self, permit: Permit) -> bool:
        is_burst = permit.row != self._row
        return self._machine.fail_counter >= CONSECUTIVE_FAILURES and (self._bursts_open or not is_burst)

    def _rate_exceeded(self) -> bool:
        return len(self._window) >= WINDOW_MIN_CALLS and self._window_failed >= WINDOW_FAILURE_RATE * len(self._window)

    def state_change(self, _cb: CircuitBreaker, _old: PybreakerState | None, new: PybreakerState) -> None:
        """Handle a change of state; pybreaker calls it while this breaker's lock is held."""
        self._epoch += 1
        self._probes = 0
        self._window.clear()
        self._window_failed = 0
        if new.name == STATE_OPEN:
            self._open_until = self._clock() + OPEN_SECONDS
        self._metrics.transitions.labels(self.name, STATES[new.name]).inc()
        self._show_state(new.name)

    def _show_state(self, current: str = STATE_CLOSED) -> None:
        for state, label in STATES.items():
            self._metrics.state.labels(self.name, label).set(state == current)


class _FailureError(Exception):
    """Passes a failure to pybreaker."""


def _succeed() -> None:
    return


def _fail() -> None:
    raise _FailureError
