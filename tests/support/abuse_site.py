"""The target of an attack: a proxy and the services behind it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

import psutil

from support.quiet_user import QuietUser

SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class ProxyUse:
    """What the processes of a proxy use: memory that they share with no other process, and open files and sockets."""

    bytes: int
    files: int


class UnusedAddresses:
    """Loopback addresses from which no attack has come: no limit has counted a request from them."""

    def __init__(self) -> None:
        self._next = IPv4Address("127.0.0.2")

    def take(self, count: int) -> str:
        """Return the first of `count` successive addresses; they are never returned again."""
        first, self._next = self._next, self._next + count
        return str(first)


@dataclass(frozen=True)
class Site:
    """A setup with the local proxy or the chart's: both APIs' ports, and a quiet user whom attacks must not affect.

    `proxy_pid` is the master process of the nginx in front of order-api.
    """

    order_port: int
    auth_port: int
    ca: str
    quiet: QuietUser
    proxy_pid: int

    @contextmanager
    def measuring_proxy(self) -> Iterator[Callable[[], ProxyUse]]:
        """Measure the nginx in front of order-api every 0.25 s until the context ends.

        Yield a function that then returns the largest figures; each may be of another moment.
        """
        ended = threading.Event()

        def largest() -> ProxyUse:
            samples = [self._proxy_use()]
            while not ended.wait(SAMPLE_SECONDS):
                samples.append(self._proxy_use())
            return ProxyUse(max(sample.bytes for sample in samples), max(sample.files for sample in samples))

        with ThreadPoolExecutor(1) as pool:
            measured = pool.submit(largest)
            try:
                yield measured.result
            finally:
                ended.set()

    def _proxy_use(self) -> ProxyUse:
        master = psutil.Process(self.proxy_pid)
        processes = [master, *master.children()]
        return ProxyUse(
            sum(process.memory_full_info().uss for process in processes),
            sum(process.num_fds() for process in processes),
        )
