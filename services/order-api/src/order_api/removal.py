"""Removes the outbox entries of delivered events.

order-processor's update removes the entry too, usually a moment after the delivery. So an entry of the fast path is
left to it, and removed here only if the order is still PLACED shortly before the entry falls due. An entry that a
sweep has claimed is removed at once.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from order_api.outbox import BATCH, Outbox
from order_api.publisher import Sent
from shared.resilience import crash
from shared.store import StoreUnavailable

LIMIT = 10_000  # the most entries that are left to order-processor; beyond it, the oldest are removed at once
REMOVAL_SECONDS = 0.05  # the time between two removals
ROUND_SECONDS = 1.0  # the time between two looks at the entries left to order-processor
MARGIN = timedelta(seconds=ROUND_SECONDS + 2)  # time left before `due`: a removal may start a round late, and take 2 s


class EntryRemoval:
    """The entries to be removed. For one thread."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`clock` is monotonic, in seconds; `now` is the wall clock from which `due` was calculated."""
        self._outbox = outbox
        self._clock = clock
        self._now = now
        self._left: list[Sent] = []
        self._ready: list[Sent] = []
        self._next_round = self._next_removal = 0.0

    def add(self, delivered: Sequence[Sent]) -> None:
        """Add events that Kafka has confirmed."""
        for sent in delivered:
            (self._ready if sent.claim else self._left).append(sent)

    def run(self, *, is_last: bool = False) -> None:
        """Remove the entries that are ready, or all with `is_last`. If MongoDB is unavailable, a later call retries."""
        self._collect(is_last=is_last)
        if self._ready and (is_last or len(self._ready) >= BATCH or self._clock() >= self._next_removal):
            self._remove()

    def _collect(self, *, is_last: bool) -> None:
        """Mark entries as ready: those that are due soon and those beyond LIMIT, or all with `is_last`."""
        if is_last:
            self._ready += self._left
            self._left = []
        elif self._clock() >= self._next_round:
            self._next_round = self._clock() + ROUND_SECONDS
            soon = self._now() + MARGIN
            self._ready += [sent for sent in self._left if sent.due <= soon]
            self._left = [sent for sent in self._left if sent.due > soon]
        surplus = max(0, len(self._left) - LIMIT)
        self._ready += self._left[:surplus]
        del self._left[:surplus]

    def _remove(self) -> None:
        self._next_removal = self._clock() + REMOVAL_SECONDS
        crash.point("before-removal")
        try:
            while self._ready:
                batch = self._ready[:BATCH]
                if claimed := {sent.order_id: sent.claim for sent in batch if sent.claim}:
                    self._outbox.remove_claimed(claimed)
                if unclaimed := {sent.order_id: sent.due for sent in batch if not sent.claim}:
                    self._outbox.remove_unclaimed(unclaimed)
                crash.point("after-removal")
                del self._ready[:BATCH]
        except StoreUnavailable as error:
            self._next_removal = self._clock() + error.retry_after
            del self._ready[:-LIMIT]  # the sweep publishes the events of the forgotten entries again
