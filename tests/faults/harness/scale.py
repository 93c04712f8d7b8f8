"""The scale of a row: full, which may take hours, or short, for every change."""

import os
from typing import Any, TypeVar

T = TypeVar("T")
SCALE = os.environ.get("FAULTS", "")
# A row's whole load comes from one address and a few users, so their limits are raised.
RAISED_LIMITS = {
    "PROXY_REQUESTS_PER_ADDRESS": "512",
    "PROXY_BODIES_PER_ADDRESS": "512",
    "PROXY_REQUESTS_PER_TOKEN": "512",
    "PROXY_UNAUTHENTICATED_PER_SECOND": "500",
    "RATE_LIMIT_ORDERS": "2000/4000",
    "RATE_LIMIT_READS": "2000/4000",
}


def name(plan: list[Any]) -> str:
    """Return the test id of a plan: its only item, or `all` if the short form combines several."""
    return "all" if len(plan) > 1 else str(plan[0] if isinstance(plan[0], str) else "+".join(plan[0]))


def pick(full: T, short: T) -> T:
    """Return the first value in the full form, and the second in the short form."""
    return full if SCALE == "full" else short


# How many times longer the median request may take during a fault that clients should not notice. The short form shares
# its machine with other programs; a request that waited for Kafka would still take hundreds of times longer.
SLOWER = pick(1.5, 10.0)
