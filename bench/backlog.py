"""Many orders that wait at once, as after an outage: inserts them, and measures how fast they are worked off."""

import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.collection import Collection

from bench.contenders import USER
from bench.measure import LoadFailedError, Sample, Watched, cpu_seconds
from order_api import orders as rules
from order_api.models import OrderItem
from shared.ordering import outbox_entry
from shared.ordering.money import Amount
from shared.ordering.status import Status

Orders = Collection[dict[str, Any]]
# Orders that order-processor has not processed yet; the index of the oldest PLACED order serves this query.
UNPROCESSED = {"status": Status.PLACED, "placed_at": {"$gt": outbox_entry.EPOCH}}
ITEMS = (OrderItem("tea", 2), OrderItem("a biscuit"))
INSERTED_AT_ONCE = 1000
LEAD = timedelta(seconds=12)  # from the first insert until the orders are due: longer than the inserts take
POLL_SECONDS = 0.25
SETTLE_POLL_SECONDS = 0.05
DRAIN_SECONDS = 180.0


def fill(orders: Orders, count: int) -> None:
    """Insert PLACED orders like order-api's; the relay publishes their events from LEAD after the call on."""
    now = datetime.now(UTC).replace(microsecond=0)
    order = rules.Order(USER, Amount(1250), "USD", ITEMS)
    entry = outbox_entry.new(now + LEAD, None)
    for start in range(0, count, INSERTED_AT_ONCE):
        ids = [_new_id(now) for _ in range(min(INSERTED_AT_ONCE, count - start))]
        documents = [rules.build_document(order, order_id=order_id, now=now) | {"outbox": entry} for order_id in ids]
        orders.insert_many(documents, ordered=False)


def processed(count: int, users: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield PROCESSED orders of the users in turn, placed a second ago."""
    placed, done = (datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=back) for back in (1, 0))
    entry = {"status": Status.PROCESSED, "at": done, "by": "order-processor", "reason": None}
    for number in range(count):
        order = rules.Order(users[number % len(users)], Amount(1250), "USD", ITEMS)
        document = rules.build_document(order, order_id=_new_id(placed), now=placed)
        del document["outbox"]
        document["history"].append(entry)
        yield document | {"status": Status.PROCESSED, "version": 2, "processed_at": done}


def drain(orders: Orders, query: dict[str, Any], watched: Watched) -> Sample:
    """Wait until no order matches `query` any more; return how many stopped matching a second, and their CPU time.

    The measurement starts when the first orders have stopped matching, so that the start of a process does not count.
    Latency is not measured. Raise LoadFailedError if orders still match after DRAIN_SECONDS.
    """
    until = time.monotonic() + DRAIN_SECONDS
    first = orders.count_documents(query)
    counted = await_fewer(orders, query, first, until)
    started = time.monotonic()
    before = {group: cpu_seconds(pids) for group, pids in watched.items()}
    await_none(orders, query, until - started)  # without counting them all, which would be work for MongoDB
    seconds = time.monotonic() - started
    if not counted:
        raise LoadFailedError(f"{first} orders were worked off within {POLL_SECONDS} s: measure more orders")
    cpu = {group: (cpu_seconds(pids) - before[group]) / counted * 1e6 for group, pids in watched.items()}
    return Sample(counted, seconds, 0, None, None, cpu)


def await_fewer(orders: Orders, query: dict[str, Any], count: int, until: float) -> int:
    """Wait until fewer than `count` orders match `query`, and return how many.

    Raise LoadFailedError if that takes until `until`, in seconds of the monotonic clock.
    """
    left = count
    while left and left >= count:
        left = _count(orders, query, until)
    return left


def await_none(orders: Orders, query: dict[str, Any], seconds: float) -> None:
    """Wait until no order matches `query`; raise LoadFailedError if one still does after `seconds`."""
    until = time.monotonic() + seconds
    while orders.count_documents(query, limit=1):
        if time.monotonic() > until:
            raise LoadFailedError(f"{orders.count_documents(query)} orders still wait after {seconds:.0f} s")
        time.sleep(SETTLE_POLL_SECONDS)


def _new_id(now: datetime) -> str:
    return rules.new_id(now, secrets.token_bytes(rules.RANDOM_BYTES))


def _count(orders: Orders, query: dict[str, Any], until: float) -> int:
    time.sleep(POLL_SECONDS)
    left = orders.count_documents(query)
    if left and time.monotonic() > until:
        raise LoadFailedError(f"{left} orders still wait after {DRAIN_SECONDS:.0f} s")
    return left
