"""Redrives FAILED orders, and reports the outcome for each order that was asked for."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from retail_cli.reports import EVENT_QUEUED, OrderOutcome
from shared.mongo import is_document_error
from shared.ordering.status import Status
from shared.ordering.transitions import State
from shared.resilience.outage import bisect

PAGE = 500
DEFAULT_REASON = "redriven by the operator"
NO_REPLY = "no reply; the redrive is safe to repeat"


class Clock(Protocol):
    """The clock for the times in the histories of orders."""

    def now(self) -> datetime:
        """Return the database's time."""


class Transitions(Protocol):
    """The part of `shared.ordering.transitions.OrderTransitions` that a redrive needs."""

    def states(self, ids: Sequence[str]) -> dict[str, State]:
        """Return the state of each of these orders that exists, by its id."""

    def redrive(self, ids: Sequence[str], *, at: datetime, by: str, reason: str | None = None) -> int:
        """Change those of `ids` that are FAILED back to PLACED; return how many."""


class FailedOrders(Protocol):
    """Finds the FAILED orders."""

    def failed_ids(self, limit: int) -> Sequence[str]:
        """Return the ids of the newest FAILED orders, `limit` at most."""


def find_failed(orders: FailedOrders, limit: int) -> tuple[list[str], bool]:
    """Return the ids of the newest FAILED orders, `limit` at most, and whether there are more."""
    ids = orders.failed_ids(limit + 1)
    return [*ids[:limit]], len(ids) > limit


def redrive(
    clock: Clock, transitions: Transitions, order_ids: Sequence[str], *, by: str, reason: str, dry_run: bool
) -> Iterator[OrderOutcome]:
    """Redrive each order that is FAILED, and yield the outcome for every order. Safe to repeat and to interrupt.

    When MongoDB does not reply to an update, the orders in it are yielded as unknown before the error is raised.
    """
    for start in range(0, len(order_ids), PAGE):
        page = order_ids[start : start + PAGE]
        states = transitions.states(page)
        failed = [order_id for order_id in page if order_id in states and states[order_id].status is Status.FAILED]
        yield from (_unchanged(order_id, states.get(order_id)) for order_id in page if order_id not in failed)
        if dry_run:
            yield from (OrderOutcome(order_id, "would redrive", "it is FAILED") for order_id in failed)
        elif failed:
            yield from _redrive_page(clock.now(), transitions, failed, by, reason)


def _redrive_page(
    at: datetime, transitions: Transitions, failed: Sequence[str], by: str, reason: str
) -> Iterator[OrderOutcome]:
    """Redrive FAILED orders; yield each outcome. If MongoDB rejects the update of one, the others are redriven."""
    outcomes: dict[str, OrderOutcome] = {}

    def apply(ids: Sequence[str]) -> None:
        try:
            changed = transitions.redrive(ids, at=at, by=by, reason=reason)
        except Exception as error:
            if len(ids) == 1 and is_document_error(error):
                outcomes[ids[0]] = OrderOutcome(ids[0], "refused", f"MongoDB rejects the update: {error}")
            raise
        states = {} if changed == len(ids) else transitions.states(ids)
        for order_id in ids:
            state = states.get(order_id)
            was_redriven = changed == len(ids) or (state is not None and state.since == at)
            outcomes[order_id] = (
                OrderOutcome(order_id, "redriven", EVENT_QUEUED) if was_redriven else _unchanged(order_id, state)
            )

    try:
        for _, error in bisect(failed, apply):
            if not is_document_error(error):
                raise error
    finally:  # also after an error: an order without a known outcome is yielded as unknown
        yield from (outcomes.get(order_id, OrderOutcome(order_id, "unknown", NO_REPLY)) for order_id in failed)


def _unchanged(order_id: str, state: State | None) -> OrderOutcome:
    if state is None:
        return OrderOutcome(order_id, "refused", "there is no such order")
    return OrderOutcome(order_id, "nothing to do", f"it is {state.status or 'of no known status'}")
