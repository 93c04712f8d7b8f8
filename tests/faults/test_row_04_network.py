"""Rows 4 and 21: connections are slow, blackholed, reset or fragmented; name resolution fails."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from faults.harness import logs
from faults.harness.proxy import Proxy
from faults.harness.scale import SLOWER, name, pick
from faults.harness.system import System
from support import wait

TOXICS = ["latency", "black-hole", "reset", "slicer"]
PLANS = pick([[toxic] for toxic in TOXICS], [TOXICS])
LATE_MS = 400
OWN_LIMIT_MS = pick(2_600, 3_000)  # the timeout of a MongoDB operation, 2 s, plus a tolerance


@pytest.mark.parametrize("toxics", PLANS, ids=name)
def test_row_04_bad_network_to_kafka(proxied: System, figures: dict[str, Any], toxics: list[str]) -> None:
    """The network to Kafka is bad: orders are accepted at the usual speed, and all are processed afterwards."""
    proxy = proxied.kafka_proxies[0]
    lasting = pick(60, 8)
    with proxied.load(pick(10_000, 600), rate=pick(80, 40), at_most=1200) as run:
        wait.until(lambda: time.time() - run.began > 5, "a baseline before the fault", seconds=10)
        disturbed_at = time.time()
        for toxic in toxics:
            _disturb(proxy, toxic, lasting)
            proxy.heal()
        healed_at = time.time()

    before, during = run.p99(run.began, disturbed_at), run.p99(disturbed_at, healed_at)
    figures |= {"toxic_seconds": lasting, "p99_before_ms": round(before, 1), "p99_ms": round(during, 1)}
    proxied.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert all(t.outcome == "ok" for t in run.account().tries())
    assert run.median(disturbed_at, healed_at) <= SLOWER * run.median(run.began, disturbed_at)


@pytest.mark.parametrize("toxics", PLANS, ids=name)
def test_row_04_bad_network_to_mongodb(proxied: System, figures: dict[str, Any], toxics: list[str]) -> None:
    """The network to MongoDB is bad: correct answers in time, and nothing is lost, invented or doubled."""
    proxy = proxied.mongodb_proxies[0]
    lasting = pick(60, 6)
    with proxied.load(pick(10_000, 800), rate=30, at_most=1200) as run:
        wait.until(lambda: time.time() - run.began > 3, "a baseline before the fault", seconds=10)
        disturbed_at = time.time()
        for toxic in toxics:
            _disturb(proxy, toxic, lasting)
            proxy.heal()
        healed_at = time.time()

    own = max(line["duration_ms"] for line in logs.requests(proxied.folder, "order-api", disturbed_at))
    figures |= {"toxic_seconds": lasting, "longest_own_ms": round(own), "outage_seconds": run.widest_gap()}
    proxied.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert own <= OWN_LIMIT_MS


def test_row_21_names_not_resolved(proxied: System, figures: dict[str, Any], tmp_path: Path) -> None:
    """order-api resolves no name or address, and its connections break: correct answers, and recovery."""
    lasting = pick(30, 10)
    flag = tmp_path / "dns-fails"
    for part in proxied.parts("order-api"):
        proxied.configure(part, dns_fails=str(flag))
    with proxied.load(pick(3_000, 500), rate=30) as run:
        flag.touch()
        broken_at = time.time()
        proxied.mongodb_proxies[0].reset()
        time.sleep(lasting)
        flag.unlink()
        healed_at = time.time()
        wait.until(lambda: time.time() - healed_at > 12, "time for the recovery", seconds=15)

    first = min(t.at for t in run.account().tries(healed_at) if t.outcome == "ok")
    own = max(line["duration_ms"] for line in logs.requests(proxied.folder, "order-api", broken_at))
    figures |= {"seconds": lasting, "recovery_seconds": round(first - healed_at, 1), "longest_own_ms": round(own)}
    proxied.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert first - healed_at <= 10
    assert own <= OWN_LIMIT_MS


def test_row_21_connections_exhausted(proxied: System, figures: dict[str, Any]) -> None:
    """Sixty-four clients at once while every answer of MongoDB is late: no thread waits beyond its limit."""
    lasting = pick(30, 10)
    proxy = proxied.mongodb_proxies[0]
    with proxied.load(200, rate=0, in_flight=64, at_most=120) as run:
        proxy.toxics.latency = 0.4
        disturbed_at = time.time()
        time.sleep(lasting)
        proxy.heal()
        healed_at = time.time()

    late = [x["duration_ms"] for x in logs.requests(proxied.folder, "order-api", disturbed_at + 1, healed_at)]
    own = max(line["duration_ms"] for line in logs.requests(proxied.folder, "order-api", disturbed_at))
    figures |= {"seconds": lasting, "late_answers": len(late), "longest_own_ms": round(own)}
    proxied.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert max(late) >= LATE_MS  # proves that the database was slow
    assert own <= OWN_LIMIT_MS


def _disturb(proxy: Proxy, toxic: str, seconds: float) -> None:
    """Apply one toxic to the proxy for `seconds`."""
    if toxic == "latency":
        proxy.toxics.latency, proxy.toxics.jitter = 1.0, 0.5  # seconds, in each direction
    elif toxic == "black-hole":
        proxy.toxics.hole = True
    elif toxic == "slicer":
        proxy.toxics.slice_bytes = 16
    over = threading.Event()
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        if toxic == "reset":
            proxy.reset()
        over.wait(1)
