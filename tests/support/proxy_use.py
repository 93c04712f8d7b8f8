"""How much a running nginx uses."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class ProxyUse:
    """What the processes of a proxy use: memory that they share with no other process, and open files and sockets."""

    bytes: int
    files: int


@contextmanager
def measuring(pid: int) -> Iterator[Callable[[], ProxyUse]]:
    """Measure the nginx whose master process is `pid` every 0.25 s until the context ends.

    Yield a function that then returns the largest figures; each may be of another moment.
    """
    ended = threading.Event()

    def largest() -> ProxyUse:
        samples = [_use(pid)]
        while not ended.wait(SAMPLE_SECONDS):
            samples.append(_use(pid))
        return ProxyUse(max(sample.bytes for sample in samples), max(sample.files for sample in samples))

    with ThreadPoolExecutor(1) as pool:
        measured = pool.submit(largest)
        try:
            yield measured.result
        finally:
            ended.set()


def _use(pid: int) -> ProxyUse:
    master = psutil.Process(pid)
    processes = [master, *master.children()]
    return ProxyUse(
        sum(process.memory_full_info().uss for process in processes),
        sum(process.num_fds() for process in processes),
    )
