"""`bisect` by two threads, because MongoDB applies two updates at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

from shared.resilience.outage import bisect

T = TypeVar("T")

LARGE = 250  # records; a larger batch is divided


class ParallelBisect:
    """Owns the second thread, from the first large batch to `close`. Create it after the fork."""

    def __init__(self) -> None:
        self._second = ThreadPoolExecutor(1, "bisect")

    def bisect(self, batch: Sequence[T], apply: Callable[[Sequence[T]], object]) -> list[tuple[T, Exception]]:
        """Do what `outage.bisect` does; two halves of a large batch are applied at the same time.

        When this returns or raises, neither is in progress.
        """
        if len(batch) <= LARGE:
            return bisect(batch, apply)
        middle = len(batch) // 2
        first = self._second.submit(copy_context().run, bisect, batch[:middle], apply)
        try:
            failed = bisect(batch[middle:], apply)
        finally:
            wait([first])
        return first.result() + failed

    def close(self) -> None:
        """Stop the thread, which is idle unless a caller is still in `bisect`."""
        self._second.shutdown(wait=False)
