"""Exponential back-off with jitter: the pause between two attempts. MongoDB itself calculates the outbox's pauses."""

from collections.abc import Callable
from dataclasses import dataclass
from random import random

MAX_DOUBLINGS = 32  # more than any `longest` needs, and few enough for a float


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses of `first` seconds, doubled with each failure up to `longest`; jitter shortens each pause by up to half.

    Stateless, so thread-safe: the caller counts its failures. `jitter` returns a number from 0 to 1.
    """

    first: float
    longest: float
    jitter: Callable[[], float] = random

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after `failures` failures in a row, 1 or more."""
        doubled = self.first * 2.0 ** min(failures - 1, MAX_DOUBLINGS)
        return min(self.longest, doubled) * (1 - self.jitter() / 2)
