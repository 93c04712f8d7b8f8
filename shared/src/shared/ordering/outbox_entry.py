"""The outbox entry: the field `outbox` of an order whose event is not known to be published.

`due` is the time from which the sweep may publish the event, `attempts` counts the sweeps that have claimed it, `claim`
is the name of the last of these sweeps, and `traceparent` repeats the order's field of that name for replicas of
earlier releases.

An order that can be neither published nor failed is excluded: its `due` is a text instead of a time. The sweep, the
backlog and reconciliation skip such an order. It keeps its entry: without one, its event would count as published.
"""

from datetime import UTC, datetime
from typing import Any

from shared.ordering.status import Status

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The index on `outbox.due`, which contains only PLACED orders, serves all these queries; MALFORMED_DUE is used together
# with that status.
PENDING: dict[str, Any] = {"status": Status.PLACED, "outbox.due": {"$gt": EPOCH}}
EXCLUDED: dict[str, Any] = {"status": Status.PLACED, "outbox.due": {"$type": "string"}}
PUBLISHED: dict[str, Any] = {"status": Status.PLACED, "outbox.due": None}  # no outbox entry
# A `due` of a wrong type, after an import or an edit by hand: the sweep treats it as due, and its claim sets a valid
# time.
MALFORMED_DUE: dict[str, Any] = {"outbox.due": {"$type": ["number", "bool", "object", "array"]}}
# The entry of a requeued order, as an expression of an aggregation pipeline.
RESTORED: dict[str, Any] = {"due": "$$NOW", "attempts": 0, "claim": None, "traceparent": None}


def new(due: datetime, traceparent: str | None) -> dict[str, Any]:
    """Return the entry of a new order; the sweep ignores it until `due`."""
    return {"due": due, "attempts": 0, "claim": None, "traceparent": traceparent}


def restore() -> dict[str, Any]:
    """Return the update that makes the next sweep publish an order's event: `due` becomes the database's time."""
    return {
        "$set": {"outbox.attempts": 0, "outbox.claim": None, "outbox.traceparent": None},
        "$currentDate": {"outbox.due": True},
    }


def exclude() -> dict[str, Any]:
    """Return the update that excludes an order, whatever its entry is now."""
    return {"$set": {"outbox": {"due": "excluded", "attempts": 0}}}


def remove() -> dict[str, Any]:
    """Return the update that removes the entry."""
    return {"$unset": {"outbox": ""}}
