"""Waits for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str, *, seconds: float = 30.0, every: float = 0.1) -> T:
    """Return the first true value of `condition`; fail the test after `seconds`, naming `what` it waited for."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {seconds:g} s for: {what}")
        time.sleep(every)
