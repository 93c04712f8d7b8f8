"""One measurement: sends load to one address, and reads the CPU time that the system's processes used meanwhile."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

SCRIPT = Path(__file__).with_name("orders.lua")
MARGIN_SECONDS = 30
LOAD = "load"  # the group of the program that sends the requests
Watched = Mapping[str, Iterable[int]]  # process ids by group


class LoadFailedError(RuntimeError):
    """There are no valid figures. The message says why: error responses, no success, or a program that ended early."""


@dataclass(frozen=True, slots=True)
class Request:
    """The request that is sent repeatedly: a POST if there is a body, otherwise a GET.

    If there are `paths`, wrk requests them in turn instead of the path of the URL.
    """

    url: str
    body: str = ""
    authorization: str = ""
    paths: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the variables from which orders.lua and bench.open_loop read the request."""
        method = "POST" if self.body else "GET"
        return {
            "BENCH_METHOD": method,
            "BENCH_BODY": self.body,
            "BENCH_AUTHORIZATION": self.authorization,
            "BENCH_PATHS": "\n".join(self.paths),
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """The figures of one round of load. CPU times are microseconds per successful request, by group of processes.

    A failed request counts as slower than every other: a percentile that falls on one is None. So is a latency that was
    not measured.
    """

    requests: int  # that succeeded
    seconds: float
    failed: int
    p50_ms: float | None
    p99_ms: float | None
    cpu_us: dict[str, float]

    @property
    def per_second(self) -> float:
        """Successful requests per second."""
        return self.requests / self.seconds


def load(
    request: Request,
    *,
    connections: int,
    seconds: int,
    watched: Watched,
    settle: Callable[[], None] = lambda: None,
) -> Sample:
    """Send the request over keep-alive connections, each as soon as the response to the one before is there.

    `settle` is called after the load and returns when the work that the responses left behind is done. The CPU time
    contains this work; the rate and the latencies do not. Raise LoadFailedError if a response had a status from 400 on,
    or if no request succeeded.
    """
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--timeout", "10s", "--script", str(SCRIPT), request.url]
    environment = os.environ | request.environment()
    return _sample(request.url, command, environment, seconds=seconds, watched=watched, settle=settle)


def open_loop(
    request: Request, *, rate: float, seconds: int, watched: Watched, settle: Callable[[], None] = lambda: None
) -> Sample:
    """Send the request `rate` times a second, however slow the responses are; see bench.open_loop.

    The rest is as with `load`.
    """
    command = [sys.executable, "-m", "bench.open_loop", request.url, str(rate), str(seconds)]
    environment = os.environ | request.environment()
    return _sample(request.url, command, environment, seconds=seconds, watched=watched, settle=settle)


def limit(name: str, *, seconds: int, environment: Mapping[str, str], watched: Watched) -> Sample:
    """Run the step `name` of bench.limits in a new process; report its CPU time as the group `app`.

    Latency is not measured. Raise LoadFailedError if the process printed no result.
    """
    command = [sys.executable, "-m", "bench.limits", name, str(seconds)]
    sample = _sample(name, command, environment, seconds=seconds, watched=watched)
    return replace(sample, cpu_us={"app": sample.cpu_us[LOAD]} | {group: sample.cpu_us[group] for group in watched})


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time so far, user and system, of these processes and all their descendants.

    Raise LoadFailedError if one of the processes does not exist any more.
    """
    total = 0.0
    for pid in pids:
        try:
            root = psutil.Process(pid)
            for process in [root, *root.children(recursive=True)]:
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess as error:
            raise LoadFailedError(f"process {error.pid} ended during the measurement") from None
    return total


def _sample(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    seconds: int,
    watched: Watched,
    settle: Callable[[], None] = lambda: None,
) -> Sample:
    """Run a program that prints its result; its own CPU time is the group LOAD. Errors contain `name`."""
    before, spent_before = _cpu(watched), _children_seconds()
    found = _result(name, command, environment, timeout=seconds + MARGIN_SECONDS)
    spent = _children_seconds() - spent_before
    _check(found, name)
    settle()
    used = {group: after - before[group] for group, after in _cpu(watched).items()}
    used[LOAD] = found.get("cpu_seconds", spent)
    cpu = {group: seconds_used / found["succeeded"] * 1e6 for group, seconds_used in used.items()}
    p50, p99 = found.get("p50_ms"), found.get("p99_ms")
    return Sample(found["succeeded"], found["seconds"], found.get("failed", 0), p50, p99, cpu)


def _check(found: Mapping[str, Any], name: str) -> None:
    succeeded, failed, errors = found["succeeded"], found.get("failed", 0), found.get("error_responses", 0)
    total = succeeded + failed
    if errors:
        raise LoadFailedError(f"{name}: {errors} of {total} requests got an error response (status 400 or above)")
    if succeeded <= 0:
        raise LoadFailedError(f"{name}: none of {total} requests succeeded")


def _cpu(watched: Watched) -> dict[str, float]:
    return {group: cpu_seconds(pids) for group, pids in watched.items()}


def _children_seconds() -> float:
    """Return the CPU time of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _result(name: str, command: Sequence[str], environment: Mapping[str, str], *, timeout: float) -> dict[str, Any]:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise LoadFailedError(f"{name}: {command[0]} did not end within {timeout:.0f} s") from None
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            document: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
            return document
    output = (done.stderr.strip() or done.stdout.strip()).splitlines()
    raise LoadFailedError(f"{name}: no result, but: {output[-1] if output else 'nothing'}")
