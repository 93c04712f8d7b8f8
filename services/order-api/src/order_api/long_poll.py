"""Long polling: a response is held until the order's status changes, and polls never occupy all threads."""

import threading
import time
from collections.abc import Callable

from order_api.orders import Document

FIRST_INTERVAL = 0.05
LONGEST_INTERVAL = 0.5


class LongPoll:
    """Admits one poll per four threads (none with three or fewer); beyond that no request waits. Thread-safe."""

    def __init__(self, threads: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = threading.BoundedSemaphore(threads // 4)
        self._clock = clock
        self._stopping = threading.Event()

    def wait(self, record: Document, read: Callable[[], Document | None], seconds: float) -> Document:
        """Return the order once its status is not PLACED, or as it is after `seconds`, or when stopping."""
        if record["status"] != "PLACED" or not self._slots.acquire(blocking=False):
            return record
        try:
            return self._poll(record, read, self._clock() + seconds)
        finally:
            self._slots.release()

    def stop(self) -> None:
        """Make all present and future polls return at once."""
        self._stopping.set()

    def _poll(self, record: Document, read: Callable[[], Document | None], until: float) -> Document:
        interval = FIRST_INTERVAL
        while record["status"] == "PLACED" and (left := until - self._clock()) > 0:
            if self._stopping.wait(min(interval, left)):
                break
            record = read() or record
            interval = min(LONGEST_INTERVAL, interval * 1.5)
        return record
