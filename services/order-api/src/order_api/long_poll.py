"""Long polling: a response is held until the order is no longer PLACED. Polls never occupy all threads."""

import socket
import threading
import time
from collections.abc import Callable

from order_api.orders import Document

FIRST_INTERVAL = 0.05
LONGEST_INTERVAL = 0.5


class LongPoll:
    """Lets at most a quarter of the threads wait in polls, rounded down; further polls return at once. Thread-safe."""

    def __init__(self, threads: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.places = threads // 4
        self._slots = threading.BoundedSemaphore(self.places)
        self._clock = clock
        self._stopping = threading.Event()

    def in_use(self) -> int:
        """Return how many polls wait."""
        return self.places - self._slots._value  # noqa: SLF001 - a semaphore has no public count

    def wait(
        self,
        record: Document,
        read: Callable[[], Document | None],
        seconds: float,
        *,
        is_gone: Callable[[], bool] = lambda: False,
    ) -> Document:
        """Return the order when its status is no longer PLACED, after `seconds`, or when `stop` is called.

        `record` is the order as last read; `read` reads it again. If too many polls wait, `record` is returned at once.
        When `is_gone()` returns true, because the client has disconnected, the poll stops within 0.5 s.
        """
        if record["status"] != "PLACED" or not self._slots.acquire(blocking=False):
            return record
        try:
            return self._poll(record, read, self._clock() + seconds, is_gone)
        finally:
            self._slots.release()

    def stop(self) -> None:
        """Make all present and future polls return at once."""
        self._stopping.set()

    def _poll(
        self, record: Document, read: Callable[[], Document | None], until: float, is_gone: Callable[[], bool]
    ) -> Document:
        interval = FIRST_INTERVAL
        while record["status"] == "PLACED" and (left := until - self._clock()) > 0:
            if self._stopping.wait(min(interval, left)) or is_gone():
                break
            record = read() or record
            interval = min(LONGEST_INTERVAL, interval * 1.5)
        return record


def is_closed(connection: socket.socket | None) -> bool:
    """Return whether the peer has closed the connection, without reading from it or waiting; None counts as open.

    nginx closes its connection to the service when its own client disconnects.
    """
    if connection is None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
