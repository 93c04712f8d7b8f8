"""Rows 9 to 11, 19 and 26: processes restart, join, leave, hang, or are all killed at once."""

import os
import random
import re
import signal
import time
from typing import Any

import psutil

from faults.harness.scale import pick
from faults.harness.system import System
from support import scrape, wait

SERVICES = ("order-api", "auth-api", "order-processor")
DRAIN_SECONDS = 2.0
LONGEST_WAIT = pick(20.0, 40.0)  # seconds that an order may take to be PROCESSED when a processor is lost
SOAK_SECONDS = int(os.environ.get("SOAK_SECONDS", "600"))


def test_row_09_rolling_restart(small: System, figures: dict[str, Any]) -> None:
    """Each replica in turn is taken out of rotation, restarted and put back: no request fails."""
    ends = []
    with small.load(pick(10_000, 1_000), rate=pick(100, 40), keep_alive=False) as run:
        for _ in range(pick(10, 1)):
            for part in (p for service in SERVICES for p in small.parts(service)):
                _rotation(small, out=part)
                began = time.monotonic()
                small.stack.stop(part)
                ends.append(time.monotonic() - began)
                small.stack.start(part)
                _rotation(small, out=None)
        healed_at = time.time()

    tries = list(run.account().tries())
    failed = [t for t in tries if t.outcome != "ok"]
    figures |= {"restarts": len(ends), "longest_stop_seconds": round(max(ends), 1), "failed_requests": len(failed)}
    small.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert max(ends) < 30
    assert not failed, failed[:5]


def test_row_10_consumers_come_and_go(small: System, figures: dict[str, Any]) -> None:
    """Processors join and leave under load, stopped cleanly or killed with -9."""
    random_ = random.Random(small.seed)
    changes = pick(50, 5)
    with small.load(pick(10_000, 1_200), rate=40) as run:
        for number in range(changes):
            part = random_.choice(small.parts("order-processor"))
            (small.stack.kill if number % 2 else small.stack.stop)(part)
            small.stack.start(part)
            time.sleep(random_.uniform(4, 8))  # every second change is a kill, which the group notices after 10 s
        healed_at = time.time()

    figures["changes"] = changes
    small.prove(run, figures=figures, healed_at=healed_at, within=60)
    figures["longest_wait_seconds"] = small.longest_wait(run)
    assert figures["longest_wait_seconds"] <= LONGEST_WAIT


def test_row_11_zombie_processor(small: System, figures: dict[str, Any]) -> None:
    """A processor hangs (SIGSTOP) until others own its partitions, then continues with its old batch."""
    hang = pick(120, 25)  # twice the poll timeout; in the short form more than twice the 10 s session timeout
    url = small.admin_urls("order-processor")[0]
    wait.until(lambda: scrape.samples(url, "retail_kafka_consumer_lag"), "assigned partitions", seconds=60)
    with small.load(pick(10_000, 1_200), rate=pick(80, 40)) as run:
        small.pause("order-processor-0")
        stopped_at = time.time()
        wait.until(
            lambda: time.time() - stopped_at > hang, "the processor to hang long enough", seconds=hang + 5, every=0.5
        )
        small.resume("order-processor-0")
        healed_at = time.time()
        wait.until(lambda: _rejoined(small), "the resumed processor to rejoin the group", seconds=60)

    figures["hang_seconds"] = hang
    small.prove(run, figures=figures, healed_at=healed_at, within=60)
    figures["longest_wait_seconds"] = small.longest_wait(run)
    assert figures["longest_wait_seconds"] <= LONGEST_WAIT


def test_row_19_everything_killed(cluster: System, figures: dict[str, Any]) -> None:
    """Every process of the system is killed with -9 at once, and restarted in random order."""
    random_ = random.Random(cluster.seed)
    rounds = pick(5, 1)
    with cluster.load(pick(10_000, 600), rate=30) as run:
        for _ in range(rounds):
            parts = cluster.parts()
            cluster.keep_down(*parts)
            random_.shuffle(parts)
            for part in parts:
                cluster.stack.start(part, wait=False)
            cluster.stack.await_ready(seconds=180)
            cluster.probe()
        healed_at = time.time()

    figures |= {"kills": rounds * len(cluster.parts()), "longest_outage_seconds": run.widest_gap()}
    cluster.prove(run, figures=figures, healed_at=healed_at, within=60)


if pick(full=True, short=False):

    def test_row_26_soak(cluster: System, figures: dict[str, Any]) -> None:
        """Random faults anywhere, about one in ten seconds, for a long time (SOAK_SECONDS, ten minutes by default)."""
        random_ = random.Random(cluster.seed)
        faults = 0
        with cluster.load(1, rate=20, at_most=SOAK_SECONDS + 600) as run:
            before = _resources(cluster)
            ends_at = time.monotonic() + SOAK_SECONDS
            while time.monotonic() < ends_at:
                part = random_.choice(cluster.parts())
                if random_.random() < 0.5:
                    cluster.stack.kill(part)
                else:
                    cluster.pause(part)
                    time.sleep(random_.uniform(1, 8))
                    cluster.resume(part)
                faults += 1
                time.sleep(random_.uniform(5, 15))
            cluster.stack.await_ready(seconds=180)
            cluster.probe()
            healed_at = time.time()
            after = _resources(cluster)

        figures |= {"faults": faults, "seconds": SOAK_SECONDS, "before": before, "after": after}
        cluster.prove(run, figures=figures, healed_at=healed_at, within=180)


def _rotation(system: System, *, out: str | None) -> None:
    """Make the proxy send new requests to every order-api replica except `out`, as is done before a stop."""
    file = system.folder / "config" / "proxy" / "nginx.conf"
    text = file.read_text(encoding="utf-8").replace(" down;", ";")
    urls = {f"{s['name']}-{s['replica']}": s["url"] for s in system.stack.file["services"] if s["name"] == "order-api"}
    if out in urls:
        address = urls[out].removeprefix("http://")
        text, count = re.subn(rf"(server {re.escape(address)} [^;]*);", r"\1 down;", text)
        assert count == 1
    elif out:
        return
    file.write_text(text, encoding="utf-8")
    os.kill(system.stack.pids["proxy"], signal.SIGHUP)
    time.sleep(DRAIN_SECONDS)  # like a preStop hook, wait for requests that are on their way


def _rejoined(system: System) -> bool:
    log = system.log("order-processor-0")
    return log.rfind('"partitions_assigned"') > log.rfind('"partitions_lost"') >= 0


def _resources(system: System) -> dict[str, Any]:
    """Return memory in MiB, open files and threads of every service process with its children."""
    found = {}
    for part in (p for service in SERVICES for p in system.parts(service)):
        top = psutil.Process(system.stack.pids[part])
        tree = [top, *top.children(recursive=True)]
        found[part] = {
            "mib": round(sum(p.memory_info().rss for p in tree) / 2**20),
            "files": sum(p.num_fds() for p in tree),
            "threads": sum(p.num_threads() for p in tree),
        }
    return found
