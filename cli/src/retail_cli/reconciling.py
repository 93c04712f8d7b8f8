"""Runs one pass of order-processor's reconciliation by hand."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from retail_cli.reports import ReconcileReport
from shared.ordering import reconcile
from shared.ordering.reconcile import PASS_LIMIT, Outcome, Reconciler

PAUSE_SECONDS = 0.5


class Reader(Protocol):
    """Counts the orders that an update would requeue; a dry run calls this instead of the update."""

    def count_without_outbox_entry(self, order_ids: Sequence[str]) -> int:
        """Return how many of these orders are PLACED and have no outbox entry."""


class _CountingOrders:
    """Counts the orders that a pass finds; in a dry run it also counts the updates instead of making them."""

    def __init__(self, orders: reconcile.Orders, reader: Reader | None) -> None:
        self._orders = orders
        self._reader = reader
        self.found = 0

    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:
        ids = self._orders.without_outbox_entry(limit=limit, stuck=stuck)
        # a pass first reads the orders that are not stuck; the stuck ones, if it reads them, are added to their number
        self.found = len(ids) + (self.found if stuck else 0)
        return ids

    def requeue(self, ids: Sequence[str]) -> int:
        return self._reader.count_without_outbox_entry(ids) if self._reader else self._orders.requeue(ids)


def run_pass(
    orders: reconcile.Orders,
    reader: Reader,
    offsets: reconcile.OffsetReader,
    *,
    dry_run: bool,
    seconds: float,
    pause: Callable[[float], None] = time.sleep,
) -> ReconcileReport:
    """Run one pass; wait up to `seconds` until the group has passed the current ends of the topic."""
    counting = _CountingOrders(orders, reader if dry_run else None)
    reconciler = Reconciler(counting, offsets)
    deadline = time.monotonic() + seconds
    outcome = reconciler.step()
    while outcome in {Outcome.WAITING, Outcome.RESTARTED} and time.monotonic() < deadline:
        pause(PAUSE_SECONDS)
        outcome = reconciler.step()
    lag = sum(partition.lag for partition in offsets.read().values())
    return ReconcileReport(
        dry_run=dry_run,
        outcome=_outcome(outcome, reconciler),
        examined=min(counting.found, PASS_LIMIT),
        rearmed=reconciler.requeued,
        lag=lag,
        refused=reconciler.rejected,
        more=counting.found >= PASS_LIMIT,
    )


def _outcome(outcome: Outcome, reconciler: Reconciler) -> str:
    """Return the outcome's name in the report. Scripts rely on the names: `rearmed` means requeued."""
    if outcome in {Outcome.WAITING, Outcome.RESTARTED}:
        return "undecided"
    if reconciler.requeued:
        return "rearmed"
    return "refused" if reconciler.rejected else "nothing to do"
