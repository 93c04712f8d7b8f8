"""The outbox entry: the field `outbox` of an order whose event is not known to be published.

`due` is when the sweep may publish the event, `attempts` how often it was claimed for that, `claim` names the sweep
that has it, and `traceparent` is the trace context of the request that placed the order.
"""

from datetime import UTC, datetime
from typing import Any

from shared.ordering.status import Status

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Both are served by the index on `outbox.due`.
PENDING: dict[str, Any] = {"status": Status.PLACED, "outbox.due": {"$gt": EPOCH}}
PUBLISHED: dict[str, Any] = {"status": Status.PLACED, "outbox.due": None}  # no outbox entry


def new(due: datetime, traceparent: str | None) -> dict[str, Any]:
    """Return the entry of a new order; the sweep leaves it alone until `due`."""
    return {"due": due, "attempts": 0, "claim": None, "traceparent": traceparent}


def restore() -> dict[str, Any]:
    """Return the update that makes the next sweep publish an order's event, due by the database's own clock."""
    return {
        "$set": {"outbox.attempts": 0, "outbox.claim": None, "outbox.traceparent": None},
        "$currentDate": {"outbox.due": True},
    }


def remove() -> dict[str, Any]:
    """Return the update that removes the entry."""
    return {"$unset": {"outbox": ""}}
