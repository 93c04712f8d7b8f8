"""The promises that hold in every history: no order lost, invented or processed twice, and correct responses."""

from itertools import pairwise
from typing import Any

from fakes.kafka_producer import BROKEN_VALUE
from model.harness import OWNER, HistoryHarness, Request
from model.processes import REFUSED_ITEM
from shared.ordering.events import DEAD_LETTER_TOPIC
from shared.ordering.status import TABLE, Status
from shared.ordering.transitions import STUCK_AFTER
from shared.store import StoreUnavailable

Document = dict[str, Any]

LONGEST_HEALING = 180.0
CHANGES = {(transition.source, transition.target) for transition in TABLE}


class PromiseBroken(AssertionError):  # noqa: N818 - read as what has happened
    """Raised when a promise is broken; the message names the promise."""


def check(harness: HistoryHarness) -> None:
    """Raise PromiseBroken if the current state breaks a promise."""
    orders = harness.servers.primary
    tried = {order_id for request in harness.requests for order_id in request.tried}
    for request in harness.requests:
        _check_answers(request, orders)
    for order_id, order in orders.items():
        _require(order_id in tried, f"invented: nobody requested the order {order_id}")
        _check_history(order)
        is_published = order_id in harness.topic.all_keys
        _require(
            order["status"] != Status.PLACED or "outbox" in order or is_published,
            f"lost: {order_id} is PLACED without outbox entry, but its event was never published",
        )
    for order_id in harness.topic.all_keys:
        _require(order_id in orders, f"invented: an event of {order_id}, which does not exist")


def check_end(harness: HistoryHarness, seconds: float) -> None:
    """Raise PromiseBroken if a promise is broken when all faults are over.

    `seconds` is the time from the last fault until all orders were finished: at most 180, unless an order is stuck.
    """
    check(harness)
    check_dead_letters(harness)
    for order_id, order in harness.servers.primary.items():
        _require(order["status"] != Status.PLACED, f"lost: {order_id} was accepted but never processed")
        _require("outbox" not in order, f"stuck: {order_id} is finished, but its event still waits")
        is_processable = order["orderitems"][0]["item"] != REFUSED_ITEM and order_id not in harness.rejected_orders
        _require(
            order["status"] != Status.FAILED or not is_processable,
            f"contract violated: {order_id} is FAILED without a cause",
        )
    is_stuck = any(order["rearmed"] >= STUCK_AFTER for order in harness.servers.primary.values())
    _require(seconds <= LONGEST_HEALING or is_stuck, f"lost: {seconds:.0f} s until all was processed")
    keys = [order["idempotency"]["key"] for order in harness.servers.primary.values() if "idempotency" in order]
    _require(len(keys) == len({*keys}), "doubled: one key, two orders")
    _require({*keys} == {request.key for request in harness.requests if request.key}, "lost: a key has no order")


def check_dead_letters(harness: HistoryHarness) -> None:
    """Raise PromiseBroken if an order's event was dead-lettered as unknown, or a broken event has no dead letter."""
    letters = [dict(letter.headers()) for letter in harness.topics[DEAD_LETTER_TOPIC].partitions[0]]
    for letter in letters:
        unknown = letter["dead_letter_error_class"] == b"UnknownOrder"
        _require(not unknown, "contract violated: an event was dead-lettered as of an unknown order, which exists")
    kept = {(letter["dead_letter_partition"], letter["dead_letter_offset"]) for letter in letters}
    for number, events in enumerate(harness.topic.partitions):
        for event in events[: harness.topic.committed.get(number, 0)]:
            place = (str(number).encode(), str(event.offset()).encode())
            # After a topic is recreated, old committed offsets can skip new events; these need no dead letter.
            is_seen = not harness.topic.was_recreated or (number, event.offset()) in harness.topic.returned
            _require(
                event.value() != BROKEN_VALUE or not is_seen or place in kept,
                f"lost: the broken event at {place} has no dead letter",
            )


def check_readable(harness: HistoryHarness, number: int) -> None:
    """Raise PromiseBroken if replica `number` would answer an owner with 404 for an accepted order."""
    store = harness.apis[number].store
    for request in harness.requests:
        for order_id in request.answered:
            try:
                found = store.find(order_id, OWNER) or store.is_pending(order_id, OWNER)
            except StoreUnavailable:
                return
            _require(bool(found), f"lost: 404 for {order_id}, which was answered with 200")


def _check_answers(request: Request, orders: dict[str, Document]) -> None:
    for order_id in request.answered:
        _require(order_id in orders, f"lost: {order_id} was answered with 200 but does not exist")
        _require(order_id in request.tried, f"contract violated: {order_id} is the answer to another request")
    if request.key is not None:
        _require(len(request.answered) < 2, f"doubled: one key was answered with {len(request.answered)} orders")
    for order_id in request.unavailable:
        _require(order_id not in orders, f"contract violated: {order_id} was answered as unavailable, but exists")


def _check_history(order: Document) -> None:
    statuses = [Status(entry["status"]) for entry in order["history"]]
    order_id = order["_id"]
    _require(statuses[0] is Status.PLACED and statuses[-1] == order["status"], f"history of {order_id}: {statuses}")
    _require(
        statuses.count(Status.PROCESSED) < 2,
        f"doubled: {order_id} was processed {statuses.count(Status.PROCESSED)} times",
    )
    _require(
        all(change in CHANGES for change in pairwise(statuses)),
        f"doubled: {order_id}: {statuses}",
    )
    _require(
        order["version"] == len(statuses),
        f"history of {order_id} has {len(statuses)} entries at version {order['version']}",
    )


def _require(kept: bool, promise: str) -> None:
    if not kept:
        raise PromiseBroken(promise)
