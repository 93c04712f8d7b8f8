"""Every row has two forms: the full one, which may take hours, and the short one, for every change."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
SCALE = os.environ.get("FAULTS", "")
Pick = Callable[[T, T], T]


def name(plan: list[Any]) -> str:
    """Name a part of a row after the one thing in its plan; the short form has all in one."""
    return "all" if len(plan) > 1 else str(plan[0] if isinstance(plan[0], str) else "+".join(plan[0]))


def pick(full: T, short: T) -> T:
    """Choose what the form that runs needs."""
    return full if SCALE == "full" else short


# How many times longer the median request may take during a fault that nobody should notice. The short form runs on
# machines that do other things too; and still whoever waited for Kafka would wait hundreds of times longer.
SLOWER = pick(1.5, 10.0)
