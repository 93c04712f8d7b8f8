"""One pass of the processor's own reconciliation, by hand."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from retail_cli.reports import ReconcileReport
from shared.ordering import reconcile
from shared.ordering.reconcile import PASS_LIMIT, Outcome, Reconciler

PAUSE_SECONDS = 0.5


class Reader(Protocol):
    """What a dry run needs of the orders."""

    def count_without_outbox_entry(self, orderids: Sequence[str]) -> int:
        """Count those of these orders that are PLACED without outbox entry."""


class _Orders:
    """Stands between reconciliation and the orders: counts what it finds, and in a dry run keeps it from writing."""

    def __init__(self, orders: reconcile.Orders, reader: Reader | None) -> None:
        self._orders = orders
        self._reader = reader
        self.found = 0

    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]:
        ids = self._orders.without_outbox_entry(limit=limit, stuck=stuck)
        self.found = len(ids) + (self.found if stuck else 0)  # the stuck ones are read second
        return ids

    def requeue(self, ids: Sequence[str]) -> int:
        return self._reader.count_without_outbox_entry(ids) if self._reader else self._orders.requeue(ids)


def one_pass(
    orders: reconcile.Orders,
    reader: Reader,
    log: reconcile.OffsetReader,
    *,
    dry_run: bool,
    seconds: float,
    pause: Callable[[float], None] = time.sleep,
) -> ReconcileReport:
    """Make one pass, waiting up to `seconds` for the group to pass the ends of the topic as they are now."""
    watched = _Orders(orders, reader if dry_run else None)
    reconciler = Reconciler(watched, log)
    deadline = time.monotonic() + seconds
    outcome = reconciler.step()
    while outcome in {Outcome.WAITING, Outcome.RESTARTED} and time.monotonic() < deadline:
        pause(PAUSE_SECONDS)
        outcome = reconciler.step()
    lag = sum(offsets.lag for offsets in log.read().values())
    return ReconcileReport(
        dry_run=dry_run,
        outcome=_said(outcome, reconciler),
        examined=min(watched.found, PASS_LIMIT),
        rearmed=reconciler.requeued,
        lag=lag,
        refused=reconciler.refused,
        more=watched.found >= PASS_LIMIT,
    )


def _said(outcome: Outcome, reconciler: Reconciler) -> str:
    if outcome in {Outcome.WAITING, Outcome.RESTARTED}:
        return "undecided"
    if reconciler.requeued:
        return "rearmed"
    return "refused" if reconciler.refused else "nothing to do"
