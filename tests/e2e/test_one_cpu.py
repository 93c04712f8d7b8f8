"""The threads of a running order-api are on one CPU (docs/decisions/python-stays-on-one-cpu.md)."""

import os
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from local_stack.stack import Stack
from support import wait


def cpus_of_threads(pid: int) -> list[set[int]]:
    """Return the CPUs that each thread of a process may use."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended
            found.append(os.sched_getaffinity(int(thread.name)))
    return found


@pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="there is only one CPU")
def test_every_thread_but_the_one_that_chooses_is_on_one_cpu(stack: Stack) -> None:
    (worker,) = psutil.Process(stack.pids["order-api-0"]).children()

    def on_one_cpu() -> bool:
        found = sorted(cpus_of_threads(worker.pid), key=len)
        return len(found) > 32 and len(set.union(*found[:-1])) == 1 and found[-1] == os.sched_getaffinity(0)

    wait.until(on_one_cpu, "all threads on one CPU", seconds=30)
