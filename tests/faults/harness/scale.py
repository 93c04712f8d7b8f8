"""Every row has two forms: the full one, which may take hours, and the short one, for every change."""

import os
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SCALE = os.environ.get("FAULTS", "")
Pick = Callable[[T, T], T]


def pick(full: T, short: T) -> T:
    """Choose what the form that runs needs."""
    return full if SCALE == "full" else short
