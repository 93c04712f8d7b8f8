"""Counts the responses that nginx sends by itself; nginx reports each status in a UDP datagram, in syslog's form.

Over a TCP connection one side might have to wait for the other; a datagram is sent or lost at once.
"""

import re
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from prometheus_client import CollectorRegistry

from shared.resilience.backoff import Backoff
from shared.resilience.worker import Worker
from shared.telemetry import log
from shared.telemetry.metrics import ProxyMetrics

STATUSES = ("200", "304", "400", "404", "405", "408", "411", "413", "414", "421", "429", "431", "499", "503", "505")
OTHER = "other"
BATCH = 300
# The pause between two batches. It bounds the CPU time during a flood of requests that the proxy rejects: in one pause
# the system keeps about 250 datagrams, so at most some 5,000 a second are counted.
PAUSE_SECONDS = 0.05
IDLE_SECONDS = 5.0
BACKOFF = Backoff(first=1.0, longest=30.0)
MAX_BYTES = 128  # longer datagrams are cut, and so not counted
_DATAGRAM = re.compile(rb"<\d{1,3}>[ -~]{15} proxy: ([1-5]\d\d)")

logger = log.get(__name__)


class ProxyStatuses(Worker):
    """One thread that counts the responses of the proxy in front of this process.

    Datagrams in any other form are ignored. Datagrams that nginx sends while this process is down are not counted.
    """

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry) -> None:
        """`address` is the UDP address on loopback at which the datagrams arrive."""
        super().__init__("proxy-statuses", self._run)
        self._address = address
        self._responses = ProxyMetrics(registry).responses
        for status in (*STATUSES, OTHER):
            self._responses.labels(status)

    def stop(self) -> None:
        """Ask the thread to stop, and wake it."""
        super().stop()
        with suppress(OSError), _udp(self._address) as waking:
            waking.sendto(b"", self._address)

    def _run(self) -> None:
        failures = 0
        while not self.stopping.is_set():
            try:
                self._listen()
            except OSError as error:  # usually a replica that is stopping still uses the port
                failures += 1
                pause = BACKOFF.pause(failures)
                logger.warning("proxy_statuses_failed", error=str(error), pause=round(pause, 1))
                self.stopping.wait(pause)

    def _listen(self) -> None:
        with _udp(self._address) as listening:
            listening.bind(self._address)
            while not self.stopping.is_set():
                for status, count in Counter(_statuses(listening)).items():
                    self._responses.labels(status).inc(count)
                self.stopping.wait(PAUSE_SECONDS)


def _udp(address: tuple[str, int]) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)


def _statuses(listening: socket.socket) -> list[str]:
    """Wait up to IDLE_SECONDS for a datagram; return the statuses of all datagrams that have arrived, up to BATCH."""
    found: list[str] = []
    listening.settimeout(IDLE_SECONDS)
    with suppress(TimeoutError, BlockingIOError):
        for _ in range(BATCH):
            datagram = _DATAGRAM.fullmatch(listening.recv(MAX_BYTES))
            listening.settimeout(0)
            if datagram:
                status = datagram[1].decode()
                found.append(status if status in STATUSES else OTHER)
    return found


def count_proxy_statuses(address: tuple[str, int] | None, registry: CollectorRegistry) -> Callable[[], object]:
    """Count the datagrams that arrive at `address`, if there is one; return a function that stops the counting."""
    if address is None:
        return lambda: None
    worker = ProxyStatuses(address, registry)
    worker.start()
    return worker.close
