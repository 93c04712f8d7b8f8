"""Holding an answer until an order's status changes, without letting the waiting take all threads."""

import threading
import time
from collections.abc import Callable

from order_api.orders import Document

FIRST_INTERVAL = 0.05
LONGEST_INTERVAL = 0.5


class Waiting:
    """Lets at most a quarter of the threads wait (of 3, nobody); beyond that nobody waits. Safe for threads."""

    def __init__(self, threads: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = threading.BoundedSemaphore(threads // 4)
        self._clock = clock
        self._stopping = threading.Event()

    def until_changed(self, record: Document, read: Callable[[], Document | None], seconds: float) -> Document:
        """Return the order as soon as its status is not PLACED, or as it is after `seconds`, or when stopping."""
        if record["status"] != "PLACED" or not self._places.acquire(blocking=False):
            return record
        try:
            return self._poll(record, read, self._clock() + seconds)
        finally:
            self._places.release()

    def stop(self) -> None:
        """Let all who wait be answered now, and nobody wait any more."""
        self._stopping.set()

    def _poll(self, record: Document, read: Callable[[], Document | None], until: float) -> Document:
        interval = FIRST_INTERVAL
        while record["status"] == "PLACED" and (left := until - self._clock()) > 0:
            if self._stopping.wait(min(interval, left)):
                break
            record = read() or record
            interval = min(LONGEST_INTERVAL, interval * 1.5)
        return record
