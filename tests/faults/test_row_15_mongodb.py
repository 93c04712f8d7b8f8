"""Rows 15 to 18: MongoDB's primary dies, loses its majority, hangs, or is down for long."""

import time
from typing import Any

from pymongo.errors import AutoReconnect, PyMongoError

from faults.harness import logs
from faults.harness.load import LoadRun
from faults.harness.scale import pick
from faults.harness.system import System
from support import scrape, wait
from support.customer import https

TIMEOUT_MS = 2_000  # the timeout of a MongoDB operation
SLACK_MS = pick(600, 1_000)  # more in the short form, whose machine also runs other programs


def test_row_15_primary_killed_and_stepped_down(cluster: System, figures: dict[str, Any]) -> None:
    """The primary is killed with -9 or steps down, again and again, under load."""
    failovers = pick(10, 2)
    with cluster.load(pick(10_000, 900), rate=40) as run:
        for number in range(failovers):
            before = cluster.primary()
            if number % 2:
                _step_down(cluster)
            else:
                cluster.stack.kill(before)
            cluster.probe()
            cluster.stack.await_ready(before)
        healed_at = time.time()

    figures |= {"failovers": failovers, "longest_outage_seconds": run.widest_gap()}
    cluster.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert run.widest_gap() <= 15


def test_row_16_primary_without_a_majority(cluster: System, figures: dict[str, Any]) -> None:
    """The primary loses both secondaries, accepts writes without a majority, dies, and rolls them back."""
    alone = pick(60, 12)
    with cluster.load(pick(10_000, 600), rate=30) as run:
        primary = cluster.primary()
        others = [part for part in cluster.parts("mongodb") if part != primary]
        cluster.keep_down(*others)
        paused_at = time.time()
        wait.until(
            lambda: time.time() - paused_at > alone,
            "the primary to be isolated long enough",
            seconds=alone + 5,
            every=0.5,
        )
        cluster.keep_down(primary)
        for other in others:
            cluster.stack.start(other)
        cluster.probe()
        cluster.stack.start(primary)
        healed_at = time.time()

    figures |= {"isolated_seconds": alone, "longest_outage_seconds": run.widest_gap()}
    figures["accepted_meanwhile"] = sum(
        t.outcome == "ok" for t in run.account().tries(paused_at + 1, paused_at + alone)
    )
    cluster.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert figures["accepted_meanwhile"] == 0


def test_row_17_mongod_hangs(small: System, figures: dict[str, Any]) -> None:
    """The database server hangs for five seconds, again and again: every request ends within its limit."""
    hangs = pick(20, 2)
    free_after = []
    with small.load(pick(10_000, 900), rate=pick(40, 60)) as run:
        for _ in range(hangs):
            small.pause("mongodb-0")
            time.sleep(5)
            small.resume("mongodb-0")
            resumed_at = time.monotonic()
            wait.until(lambda: scrape.ready(small.admin_urls("auth-api")[0]), "auth-api ready", seconds=30)
            wait.until(lambda: _answers_at_once(small), "free threads", seconds=30)
            free_after.append(time.monotonic() - resumed_at)
            small.probe()
        healed_at = time.time()

    longest = max(t.ms for t in run.account().tries())
    figures |= {"hangs": hangs, "longest_request_ms": round(longest), "threads_free_seconds": round(max(free_after), 2)}
    small.prove(run, figures=figures, healed_at=healed_at, within=60)
    placing = [x for x in logs.requests(small.folder, "order-api", run.began) if x["route"] == "/order"]
    own = max(line["duration_ms"] for line in placing)  # only /order, because a long poll waits on purpose
    figures["longest_own_ms"] = round(own)
    assert own <= TIMEOUT_MS + SLACK_MS


def test_row_18_mongodb_down(small: System, figures: dict[str, Any]) -> None:
    """MongoDB is down for a minute while clients retry: fast 503 answers, and full throughput afterwards."""
    down = pick(60, 20)
    with small.load(pick(10_000, 1_500), rate=40) as run:
        wait.until(lambda: time.time() - run.began > 8, "a baseline before the fault", seconds=20)
        small.stack.stop("mongodb-0")
        stopped_at = time.time()
        wait.until(lambda: time.time() - stopped_at > down, "the outage", seconds=down + 5, every=0.5)
        ended_at = time.time()
        small.stack.start("mongodb-0")
        healed_at = time.time()
        wait.until(lambda: time.time() - healed_at > 15, "the time in which goodput is measured", seconds=30, every=0.5)

    rejected = _rejected_ms(small, stopped_at + 5, ended_at)
    before = _goodput(run, run.began, stopped_at)
    after = max(_goodput(run, healed_at + n, healed_at + n + 5) for n in range(25))
    figures |= {
        "down_seconds": down,
        "rejected": len(rejected),
        "rejected_p99_ms": rejected[int(0.99 * (len(rejected) - 1))],
        "rejected_median_ms": rejected[len(rejected) // 2],
        "goodput_before": round(before, 1),
        "goodput_within_30_s": round(after, 1),
    }
    small.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert figures["rejected_median_ms"] <= pick(5, 50)  # a request that waits for MongoDB takes 2,000 ms
    assert after >= 0.9 * before


def _step_down(system: System) -> None:
    try:
        system.mongo.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5, force=True)
    except AutoReconnect:
        pass  # a primary that steps down closes the connection
    except PyMongoError as error:
        raise AssertionError("the primary did not step down") from error


def _answers_at_once(system: System) -> bool:
    """Return whether order-api responds within a second to a request that needs no database."""
    with https(system.stack.base_url, system.stack.ca, timeout=1) as http:
        return http.get("/openapi.json").status_code == 200


def _rejected_ms(system: System, begin: float, end: float) -> list[float]:
    """Return the sorted durations of requests that order-api answered with 503 without a call to MongoDB."""
    asked = {
        line.get("request_id")
        for line in logs.lines(system.folder, "order-api")
        if line.get("event") == "insert_failed"
    }
    return sorted(
        line["duration_ms"]
        for line in logs.requests(system.folder, "order-api", begin, end)
        if line["route"] == "/order" and line["status"] == 503 and line["request_id"] not in asked
    )


def _goodput(run: LoadRun, begin: float, end: float) -> float:
    ends = (t.at + t.ms / 1000 for t in run.account().tries() if t.outcome == "ok")
    return sum(begin <= at < end for at in ends) / (end - begin)
