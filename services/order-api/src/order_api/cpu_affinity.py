"""Keeps the threads of this process together on one CPU: the one that has the most time for them.

Only one thread at a time executes Python. If the next one runs on another CPU, it must first fetch what the interpreter
works with from the caches of the CPU before. docs/decisions/python-stays-on-one-cpu.md has the cost.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import choice, random
from threading import get_native_id
from typing import NamedTuple

from shared.resilience.worker import Worker
from shared.telemetry import log

CHECK_SECONDS = 5.0
# CPUs whose free shares (1 is all of a CPU) differ by less are equally good. Without this margin, processes that
# share the CPUs would move all the time.
MARGIN = 0.2
FIRST_SECONDS = 0.2  # between the two readings before the first choice
IDLE, IOWAIT = 4, 5  # positions of these times in a line of /proc/stat
logger = log.get(__name__)


class Times(NamedTuple):
    """Seconds, each from a start of its own: the clock, the idle time of each CPU, and what this process used."""

    clock: float
    idle: Mapping[int, float]
    used: float


def read_times() -> Times:
    """Read the times; in a container, too, they are usually those of the machine's CPUs. Raise OSError."""
    ticks = os.sysconf("SC_CLK_TCK")
    rows = map(str.split, Path("/proc/stat").read_text(encoding="ascii").splitlines())
    idle = {
        int(row[0][3:]): (int(row[IDLE]) + int(row[IOWAIT])) / ticks
        for row in rows
        if row[0].startswith("cpu") and row[0] != "cpu"  # one line for each CPU, and one for all
    }
    own = os.times()
    return Times(time.monotonic(), idle, own.user + own.system)


def free_shares(before: Times, now: Times, cpu: int | None) -> dict[int, float]:
    """Return the share of each CPU this process, on `cpu`, had or could have had between two readings."""
    seconds = now.clock - before.clock
    shares = {each: (idle - before.idle[each]) / seconds for each, idle in now.idle.items() if each in before.idle}
    if cpu in shares:
        shares[cpu] += (now.used - before.used) / seconds
    return shares


def best_cpu(
    usable: set[int], shares: Mapping[int, float], cpu: int | None, pick: Callable[[list[int]], int] = choice
) -> int:
    """Return `cpu`, unless it is not usable or another has a larger free share; `pick` decides among the best.

    A random `pick` keeps replicas on the same machine from choosing the same CPU.
    """
    largest = max(shares.get(number, 0.0) for number in usable)
    best = [number for number in sorted(usable) if shares.get(number, 0.0) >= largest - MARGIN]
    return cpu if cpu in best else pick(best)


def move_other_threads(cpu: int) -> None:
    """Move all threads of this process but the calling one to `cpu`; raise OSError if the kernel refuses."""
    for entry in Path("/proc/self/task").iterdir():
        if (thread := int(entry.name)) != get_native_id():
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread, {cpu})


class CpuAffinity(Worker):
    """Chooses the CPU every 5 to 7.5 s, and moves the threads there.

    Its own thread is not moved: so the kernel always tells it which CPUs this process may use, which can change in a
    container. Create it after the fork.
    """

    def __init__(self) -> None:
        super().__init__("cpu-affinity", self._run)
        self._throttle = log.LogThrottle()
        self._cpu: int | None = None
        self._times = Times(0.0, {}, 0.0)

    def run_once(self) -> None:
        """Choose the CPU by the time since the last run, and move the threads; raise OSError if the kernel refuses."""
        before, self._times = self._times, read_times()
        shares = free_shares(before, self._times, self._cpu)
        cpu = best_cpu(os.sched_getaffinity(0), shares, self._cpu)
        move_other_threads(cpu)  # also if it is the same: a thread may be new
        if cpu != self._cpu:
            logger.info("cpu_chosen", cpu=cpu)
        self._cpu = cpu

    def _run(self) -> None:
        with suppress(OSError):
            self._times = read_times()
        self.stopping.wait(FIRST_SECONDS)
        while not self.stopping.is_set():
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 - the threads stay where they are
                self._throttle.log(logger.exception, "cpu_not_chosen", type(error).__name__)
            self.stopping.wait(CHECK_SECONDS * (1 + random() / 2))  # noqa: S311 - jitter
