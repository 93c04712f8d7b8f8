"""One measurement: runs wrk against one address, and reads the CPU time that the system's processes used meanwhile."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

SCRIPT = Path(__file__).with_name("orders.lua")
MARGIN_SECONDS = 30
UNKNOWN = math.nan


class LoadFailedError(RuntimeError):
    """wrk or bench.limits printed no result (the message contains its output), or no request succeeded."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The figures of one round of load. CPU times are microseconds per successful request, by group of processes."""

    requests: int
    seconds: float
    failed: int
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float]

    @property
    def per_second(self) -> float:
        """Successful requests per second."""
        return self.requests / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Return all figures, for JSON; a figure that was not measured is None."""
        figures = asdict(self) | {"per_second": self.per_second}
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value for name, value in figures.items()
        }


def load(
    url: str, *, connections: int, seconds: int, body: str, token: str | None, watched: Mapping[str, Iterable[int]]
) -> Sample:
    """Send `body` to `url` over keep-alive connections for `seconds`; measure the CPU time of the `watched` processes.

    The CPU time of wrk is the group `load`. Responses with a status from 400 on, failed connections and timeouts count
    as failed. The latencies include every response. Raise LoadFailedError if wrk printed no result, or if no request
    succeeded.
    """
    before = {group: cpu_seconds(pids) for group, pids in watched.items()}
    spent_by_wrk = os.times().children_user + os.times().children_system
    found = _wrk(url, connections, seconds, {"BENCH_BODY": body} | ({"BENCH_TOKEN": token} if token else {}))
    after = {group: cpu_seconds(pids) for group, pids in watched.items()}
    requests = found["requests"] - found["failed"]
    if requests <= 0:
        raise LoadFailedError(f"{url}: {found['failed']} of {found['requests']} requests failed")
    cpu = {group: (after[group] - before[group]) / requests * 1e6 for group in watched}
    cpu["load"] = (os.times().children_user + os.times().children_system - spent_by_wrk) / requests * 1e6
    return Sample(requests, found["seconds"], found["failed"], found["p50_ms"], found["p99_ms"], cpu)


def limit(name: str, *, seconds: int, environment: Mapping[str, str], watched: Mapping[str, Iterable[int]]) -> Sample:
    """Run the step `name` of bench.limits in a new process; report its CPU time as the group `app`.

    Latency is not measured. Raise LoadFailedError if the process printed no result.
    """
    before = {group: cpu_seconds(pids) for group, pids in watched.items()}
    spent = os.times().children_user + os.times().children_system
    command = [sys.executable, "-m", "bench.limits", name, str(seconds)]
    found = _result(command, environment, seconds + MARGIN_SECONDS)
    requests = found["requests"]
    cpu = {"app": (os.times().children_user + os.times().children_system - spent) / requests * 1e6}
    cpu |= {group: (cpu_seconds(pids) - before[group]) / requests * 1e6 for group, pids in watched.items()}
    return Sample(requests, found["seconds"], 0, UNKNOWN, UNKNOWN, cpu)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time so far, user and system, of these processes and all their descendants."""
    total = 0.0
    for pid in pids:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _wrk(url: str, connections: int, seconds: int, variables: Mapping[str, str]) -> dict[str, Any]:
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--timeout", "10s", "--script", str(SCRIPT), url]
    return _result(command, os.environ | variables, seconds + MARGIN_SECONDS)


def _result(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> dict[str, Any]:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            document: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
            return document
    raise LoadFailedError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
