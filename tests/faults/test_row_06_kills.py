"""Rows 6 to 8: services are killed at named crash points, between one step and the next."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from faults.harness.scale import name, pick
from faults.harness.system import System
from support import wait

# Pairs of crash points: the first point is for replica 0 of order-api, the second for replica 1.
API_POINTS = [
    ("before-insert", "after-insert"),
    ("before-answer", "before-produce"),
    ("after-produce", "before-removal"),
    ("after-removal", "after-claim"),
]
# The process is killed when it passes its point for the nth time. Here is n for the points that are passed once per
# batch or second; for the others, which are passed once per order, n is 15.
PASSAGES = {"before-removal": 3, "after-removal": 3, "after-claim": 1}
Points = tuple[str, str]
PROCESSOR_POINTS = ["before-update", "before-commit"]


@pytest.mark.parametrize("plan", pick([[pair] for pair in API_POINTS], [API_POINTS]), ids=name)
def test_row_06_order_api_killed_at_a_point(small: System, figures: dict[str, Any], plan: list[Points]) -> None:
    """order-api is killed with -9 at each of its named crash points."""
    kills = pick(100, 1)
    figures["kills"] = {}
    with small.load(pick(4_000, 800), rate=40, at_most=3600) as run:
        for points in plan:
            for replica, point in enumerate(points):
                small.configure(f"order-api-{replica}", crash_point=f"{point}:{PASSAGES.get(point, 15)}")
            for replica, point in enumerate(points):
                with _kafka_down(small) if point == "after-claim" else nullcontext():
                    wait.until(partial(_have_crashed, small, replica, kills), "kills", seconds=1500, every=0.5)
            figures["kills"] |= {point: _crashes(small, replica) for replica, point in enumerate(points)}
        for replica in (0, 1):
            small.configure(f"order-api-{replica}")
        small.await_ready()
        healed_at = time.time()

    small.prove(run, figures=figures, healed_at=healed_at, within=60)


def test_row_07_order_api_killed_before_outbox_removal(small: System, figures: dict[str, Any]) -> None:
    """order-api is killed with -9 after its events were delivered, before their outbox entries are removed."""
    kills = pick(200, 5)
    processors = small.parts("order-processor")
    with small.load(pick(10_000, 500), rate=40, at_most=1800) as run:
        for part in processors:  # a processor removes outbox entries: the sweep would have none to publish
            small.stack.stop(part)
        for replica in (0, 1):
            small.configure(f"order-api-{replica}", crash_point=f"before-removal:{3 + 2 * replica}")
        wait.until(lambda: _crashes(small, 0) + _crashes(small, 1) >= kills, "kills", seconds=1500, every=0.5)
        figures["kills"] = _crashes(small, 0) + _crashes(small, 1)
        killed_at = datetime.now(UTC)
        for replica in (0, 1):
            small.configure(f"order-api-{replica}")
        wait.until(lambda: not _pending(small, killed_at), "the sweep", seconds=60, every=0.5)
        for part in processors:
            small.stack.start(part)
        small.await_ready()
        healed_at = time.time()

    verdict = small.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert verdict.repeated_events > 0  # proves that the kills hit the intended point


def test_row_07_without_kills_events_are_not_repeated(small: System, figures: dict[str, Any]) -> None:
    """Two relays run without kills: at most 1 % of the events are repeated."""
    with small.load(pick(10_000, 1_000), rate=100) as run:
        pass

    verdict = small.prove(run, figures=figures, healed_at=time.time(), within=60)
    assert verdict.repeated_events <= 0.01 * verdict.events


def test_row_07_few_events_are_repeated_while_no_processor_runs(small: System, figures: dict[str, Any]) -> None:
    """No order-processor runs for a while, and nothing is killed: at most 1 % of the events are published again."""
    processors, seconds = small.parts("order-processor"), pick(60, 15)
    with small.load(pick(10_000, 1_000), rate=100) as run:
        for part in processors:
            small.stack.stop(part)
        figures["seconds"] = seconds
        time.sleep(seconds)  # at least three times as long as an outbox entry needs to fall due
        for part in processors:
            small.stack.start(part)
        small.await_ready()
        healed_at = time.time()

    verdict = small.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert verdict.repeated_events <= 0.01 * verdict.events


@pytest.mark.parametrize("plan", pick([[point] for point in PROCESSOR_POINTS], [PROCESSOR_POINTS]), ids=name)
def test_row_08_processor_killed_around_its_write(small: System, figures: dict[str, Any], plan: list[str]) -> None:
    """order-processor is killed with -9 before its update, or between update and commit."""
    kills = pick(200, 3)
    processors = small.parts("order-processor")
    figures["kills"] = {}
    with small.load(pick(10_000, 600), rate=pick(20, 40), at_most=3600) as run:
        for point in plan:
            for part in processors:
                small.configure(part, crash_point=f"{point}:4")
            wait.until(lambda: _deaths(small, processors) >= kills, "kills", seconds=3000, every=0.5)
            figures["kills"][point] = _deaths(small, processors)
        for part in processors:
            small.configure(part)
        healed_at = time.time()

    small.prove(run, figures=figures, healed_at=healed_at, within=60)


def _pending(system: System, before: datetime) -> int:
    """Return how many orders placed before a time still have an outbox entry."""
    return system.orders.count_documents({"placed_at": {"$lt": before}, "outbox": {"$exists": True}})


def _have_crashed(system: System, replica: int, kills: int) -> bool:
    return _crashes(system, replica) >= kills


def _crashes(system: System, replica: int) -> int:
    """Return how many workers of the replica were killed since its last `configure`, from gunicorn's log."""
    log = system.log(f"order-api-{replica}")
    return len(re.findall(r"Worker \(pid:\d+\) was sent SIGKILL", log))


def _deaths(system: System, processors: list[str]) -> int:
    """Return how often the processors were killed since their last `configure`."""
    return sum(max(0, system.log(part).count('"event":"started"') - 1) for part in processors)


@contextmanager
def _kafka_down(system: System) -> Iterator[None]:
    """Stop Kafka while the context lasts, so that the fast path cannot publish and leaves entries to the sweep."""
    system.stack.stop("kafka-0")
    yield
    system.stack.start("kafka-0")
    system.stack.await_ready("kafka-0")
