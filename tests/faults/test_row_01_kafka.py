"""Rows 1 to 3 and 5: brokers die, and a topic loses its events. Kafka is off the request path."""

import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

from faults.harness import topic
from faults.harness.load import LoadRun
from faults.harness.scale import SLOWER, pick
from faults.harness.system import System
from shared.ordering.events import TOPIC
from support import wait


def test_row_01_leader_killed(cluster: System, figures: dict[str, Any]) -> None:
    """The leader of a partition is killed with -9, again and again, under load."""
    kills = pick(20, 2)
    with cluster.load(pick(10_000, 1_000), rate=50) as run:
        for _ in range(kills):
            leader = wait.until(lambda: topic.leader(cluster.stack, TOPIC), "a leader", seconds=30)
            cluster.stack.kill(leader)
            wait.until(partial(_led_by_another, cluster, leader), "a new leader")
            cluster.stack.await_ready(leader)
        healed_at = time.time()

    figures |= {"kills": kills, "p99_ms": round(run.p99(run.began, healed_at), 1)}
    cluster.prove(run, figures=figures, healed_at=healed_at, within=30)
    assert _all_accepted_at_once(run)


def test_row_02_all_brokers_down(small: System, figures: dict[str, Any]) -> None:
    """Every broker is down while orders continue at full rate."""
    down = pick(600, 20)
    with small.load(pick(10_000, 1_000), rate=50, at_most=down + 300) as run:
        wait.until(lambda: time.time() - run.began > 10, "a baseline before the fault", seconds=30)
        small.stack.stop("kafka-0")
        stopped_at = time.time()
        wait.until(lambda: time.time() - stopped_at > down, "the outage", seconds=down + 5, every=0.5)
        ended_at = time.time()
        small.stack.start("kafka-0")
        small.stack.await_ready("kafka-0")
        healed_at = time.time()

    before, during = run.p99(run.began, stopped_at), run.p99(stopped_at, ended_at)
    figures |= {"down_seconds": down, "p99_before_ms": round(before, 1), "p99_ms": round(during, 1)}
    small.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert _all_accepted_at_once(run)
    assert run.median(stopped_at, ended_at) <= SLOWER * run.median(run.began, stopped_at)
    assert during <= pick(1.5, 100.0) * before  # the short form has too few orders for a precise percentile


def test_row_03_two_of_three_brokers_down(cluster: System, figures: dict[str, Any]) -> None:
    """Two of three brokers are down: one broker alone acknowledges nothing, and every order is accepted."""
    down = pick(120, 25)
    with cluster.load(pick(10_000, 1_000), rate=50, at_most=down + 300) as run:
        cluster.stack.stop("kafka-1")
        cluster.stack.stop("kafka-2")
        stopped_at = time.time()
        wait.until(lambda: time.time() - stopped_at > down, "the outage", seconds=down + 5, every=0.5)
        late = time.time() - 15
        # not the orders of the first 5 s: two brokers may still have acknowledged their events
        unsafe = cluster.orders.count_documents(
            {"placed_at": {"$gt": _utc(stopped_at + 5), "$lt": _utc(late)}, "outbox": {"$exists": False}}
        )
        for broker in ("kafka-1", "kafka-2"):
            cluster.stack.start(broker)
        for broker in ("kafka-1", "kafka-2"):
            cluster.stack.await_ready(broker)
        healed_at = time.time()

    figures |= {"down_seconds": down, "p99_ms": round(run.p99(stopped_at, healed_at), 1), "acked_by_one": unsafe}
    cluster.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert _all_accepted_at_once(run)
    assert unsafe == 0


def test_row_05_topic_lost(small: System, figures: dict[str, Any]) -> None:
    """The topic is deleted and created again, empty, with unread events in it."""
    with small.load(pick(10_000, 1_000), rate=pick(80, 50)) as run:
        small.pause(*small.parts("order-processor"))  # events stay unread, so that they are lost with the topic
        unread_since = time.time()
        wait.until(lambda: time.time() - unread_since > 5, "unread events", seconds=10)
        topic.recreate(small.stack, TOPIC)
        small.resume(*small.parts("order-processor"))
        healed_at = time.time()

    small.prove(run, figures=figures, healed_at=healed_at, within=180)
    figures["reconciled"] = small.orders.count_documents(run.orders | {"rearmed": {"$gte": 1}})
    assert figures["reconciled"] > 0
    assert _all_accepted_at_once(run)


def _led_by_another(system: System, dead: str) -> bool:
    return topic.leader(system.stack, TOPIC) not in {"", dead}


def _all_accepted_at_once(run: LoadRun) -> bool:
    return all(t.outcome == "ok" for t in run.account().tries())


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
