"""Exponential back-off with jitter: the only place where the pause between two attempts is calculated."""

from collections.abc import Callable
from dataclasses import dataclass
from random import random

MAX_DOUBLINGS = 32  # the largest exponent: far above any `longest`, and small enough for a float


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that start at `first` seconds, double with each failure up to `longest`, and lose up to half to jitter.

    Stateless, so thread-safe: the caller counts its failures. `jitter` returns 0 to 1.
    """

    first: float
    longest: float
    jitter: Callable[[], float] = random

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after `failures` failures in a row, 1 or more."""
        doubled = self.first * 2.0 ** min(failures - 1, MAX_DOUBLINGS)
        return min(self.longest, doubled) * (1 - self.jitter() / 2)
