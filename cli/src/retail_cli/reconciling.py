"""One pass of the processor's own reconciliation, by hand."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry

from retail_cli.reports import ReconcileReport
from shared.ordering import reconcile
from shared.ordering.reconcile import MAX_IN_HAND, Outcome, Reconciler
from shared.telemetry.metrics import ProcessorMetrics

PAUSE_SECONDS = 0.5


class Reader(Protocol):
    """What a dry run needs of the orders."""

    def count_unmarked(self, orderids: Sequence[str]) -> int:
        """Count those of these orders that are PLACED without marker."""


class _Orders:
    """Stands between reconciliation and the orders: counts what it finds, and in a dry run keeps it from writing."""

    def __init__(self, orders: reconcile.Orders, reader: Reader | None) -> None:
        self._orders = orders
        self._reader = reader
        self.found = 0

    def unmarked(self, *, limit: int, stuck: bool) -> list[str]:
        ids = self._orders.unmarked(limit=limit, stuck=stuck)
        self.found = len(ids) + (self.found if stuck else 0)  # the stuck ones are read second
        return ids

    def rearm(self, ids: Sequence[str]) -> int:
        return self._reader.count_unmarked(ids) if self._reader else self._orders.rearm(ids)


def one_pass(
    orders: reconcile.Orders,
    reader: Reader,
    log: reconcile.Log,
    *,
    dry_run: bool,
    seconds: float,
    pause: Callable[[float], None] = time.sleep,
) -> ReconcileReport:
    """Make one pass, waiting up to `seconds` for the group to pass the ends of the topic as they are now."""
    watched = _Orders(orders, reader if dry_run else None)
    reconciler = Reconciler(watched, log, ProcessorMetrics(CollectorRegistry()))
    deadline = time.monotonic() + seconds
    outcome = reconciler.step()
    while outcome in {Outcome.WAITING, Outcome.ANEW} and time.monotonic() < deadline:
        pause(PAUSE_SECONDS)
        outcome = reconciler.step()
    lag = sum(offsets.lag for offsets in log.read().values())
    return ReconcileReport(
        dry_run=dry_run,
        outcome=_said(outcome, reconciler),
        examined=min(watched.found, MAX_IN_HAND),
        rearmed=reconciler.rearmed,
        lag=lag,
        refused=reconciler.refused,
        more=watched.found >= MAX_IN_HAND,
    )


def _said(outcome: Outcome, reconciler: Reconciler) -> str:
    if outcome in {Outcome.WAITING, Outcome.ANEW}:
        return "undecided"
    if reconciler.rearmed:
        return "rearmed"
    return "refused" if reconciler.refused else "nothing to do"
