"""Rows 20 and 24: wrong clocks, and the behaviour of the breaker."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from prometheus_client import CollectorRegistry

from faults.harness.scale import pick
from faults.harness.system import System
from shared.resilience.breaker import MAX_PROBES, OPEN_SECONDS, Breaker, CircuitOpen
from shared.telemetry.metrics import BreakerMetrics
from support import scrape, wait

HOUR = 3600
CLOCKS: dict[str, dict[str, Any]] = {
    "fast": {"clock_offset": HOUR},
    "slow": {"clock_offset": -HOUR},
    "jumping": {"clock_jumps": [0, 300, -300, HOUR, -HOUR]},
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_row_20_clocks_are_wrong(small: System, figures: dict[str, Any], clock: str) -> None:
    """The clocks of one order-api and one order-processor are an hour fast, an hour slow, or jump."""
    parts = ("order-api-0", "order-processor-0")
    for part in parts:
        small.configure(part, **CLOCKS[clock])
    with small.load(pick(10_000, 400), rate=pick(80, 40)) as run:
        wait.until(lambda: time.time() - run.began > pick(60, 6), "time with the clock", seconds=90, every=0.5)
    for part in parts:
        small.configure(part)

    figures["refused_tokens"] = sum(t.status == 401 for t in run.account().tries())
    small.prove(run, figures=figures, healed_at=time.time(), within=60)


@pytest.fixture
def breaker() -> tuple[Breaker, CollectorRegistry]:
    registry = CollectorRegistry()
    return Breaker("mongodb", BreakerMetrics(registry)), registry


def _call(breaker: Breaker, seconds: float, *, fails: bool) -> str:
    try:
        permit = breaker.acquire()
    except CircuitOpen:
        return "rejected"
    time.sleep(seconds)
    if fails:
        permit.failed()
        return "failed"
    permit.ok()
    return "ok"


def test_row_24_calls_do_not_wait_for_each_other(breaker: Any, figures: dict[str, Any]) -> None:
    """Sixty-four threads with calls of 100 ms through one breaker finish within 250 ms."""
    guard, _ = breaker
    with ThreadPoolExecutor(64) as pool:
        ready = threading.Barrier(65)
        calls = [pool.submit(lambda: (ready.wait(), _call(guard, 0.1, fails=False))[1]) for _ in range(64)]
        ready.wait()
        started = time.monotonic()
        outcomes = Counter(call.result() for call in calls)
        took = time.monotonic() - started

    figures |= {"calls": 64, "milliseconds": round(took * 1000)}
    assert outcomes == {"ok": 64}
    assert took <= 6.4 / pick(25, 4)  # the 64 calls would take 6.4 s one after another


def test_row_24_opens_and_lets_few_probes_through(breaker: Any, figures: dict[str, Any]) -> None:
    """With four of five calls failing the breaker opens within 20; half-open it admits at most three; metrics agree."""
    guard, registry = breaker
    before_open = [_call(guard, 0, fails=number % 5 != 0) for number in range(25)]
    opened_after = before_open.index("rejected")
    opened_at = time.monotonic()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):  # the breaker must not use the wall clock
        early = _call(guard, 0, fails=False)
    wait.until(lambda: guard.state != "open" or _probing(guard), "half-open", seconds=10, every=0.01)
    open_seconds = time.monotonic() - opened_at
    with ThreadPoolExecutor(64) as pool:
        outcomes = Counter(pool.map(lambda _: _call(guard, 0.2, fails=True), range(64)))

    truth = Counter(before_open) + Counter([early]) + outcomes
    counted = {
        result: registry.get_sample_value(
            "retail_circuit_breaker_calls_total", {"breaker": "mongodb", "result": result}
        )
        for result in ("ok", "failed", "rejected")
    }
    figures |= {"opened_after": opened_after, "probes": outcomes["failed"], "open_seconds": round(open_seconds, 2)}
    assert opened_after <= 20
    assert early == "rejected"
    assert abs(open_seconds - OPEN_SECONDS) <= 0.2 * OPEN_SECONDS
    assert outcomes["failed"] <= MAX_PROBES
    assert counted == {result: truth[result] for result in counted}


def _probing(guard: Breaker) -> bool:
    return guard.available > 0


def test_row_24_every_replica_shows_its_breaker_state(small: System, figures: dict[str, Any]) -> None:
    """While MongoDB is down each replica shows its breaker open, and closed after the recovery."""
    urls = small.admin_urls("order-api")
    with small.load(pick(2_000, 300), rate=40) as run:
        small.stack.stop("mongodb-0")
        wait.until(lambda: _states(urls) == {"open"} or _states(urls) == {"open", "half_open"}, "open", seconds=60)
        figures["states_during_outage"] = sorted(_states(urls))
        small.stack.start("mongodb-0")
        healed_at = time.time()
        wait.until(lambda: _states(urls) == {"closed"}, "closed breakers", seconds=60)

    small.prove(run, figures=figures, healed_at=healed_at, within=60)


def _states(urls: list[str]) -> set[str]:
    return {scrape.breaker_state(url, "mongodb") for url in urls}
