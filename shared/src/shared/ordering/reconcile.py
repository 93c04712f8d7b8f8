"""Finds orders whose event is lost, by comparing offsets instead of times, and requeues them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from shared.ordering.offsets import Reading
from shared.resilience.outage import bisect
from shared.telemetry import log

PASS_LIMIT = 50_000  # orders per pass, which bounds the ids in memory
CHUNK = 500
STUCK_PAUSE_SECONDS = 600.0

logger = log.get(__name__)


class OffsetReader(Protocol):
    """The operation on Kafka that reconciliation needs."""

    def read(self) -> Reading:
        """Return the offsets of every partition; raise KafkaException."""


class Orders(Protocol):
    """The part of `transitions.OrderTransitions` that reconciliation needs."""

    def without_outbox_entry(self, *, limit: int, stuck: bool) -> list[str]: ...  # noqa: D102
    def requeue(self, ids: Sequence[str]) -> int: ...  # noqa: D102


class Outcome(Enum):
    """The result of one step."""

    IDLE = "no order is without outbox entry"
    WAITING = "the group has not passed the ends yet"
    RESTARTED = "the topic is shorter than before: the pass starts again"
    REQUEUED = "the orders that were still without outbox entry have one again"


@dataclass(slots=True)
class _Pass:
    """Ids of orders that were PLACED without outbox entry, and the ends of the partitions, read after the orders."""

    ids: list[str]
    ends: dict[int, int] = field(default_factory=dict)


class Reconciler:
    """Runs one pass after the other, step by step. For one thread.

    The event of an order without outbox entry was published, so it is in the topic, before the ends that are read
    after the order. When the group has passed these ends in all partitions and the order is still PLACED without outbox
    entry, its event is lost. `on_requeued` is called after each update with the number of requeued orders, `on_stuck`
    at the start of a pass with the number of stuck orders, unless PASS_LIMIT other orders were read.
    """

    def __init__(
        self,
        orders: Orders,
        offsets: OffsetReader,
        *,
        on_requeued: Callable[[int], object] = lambda _: None,
        on_stuck: Callable[[int], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._orders = orders
        self._offsets = offsets
        self._on_requeued = on_requeued
        self._on_stuck = on_stuck
        self._clock = clock
        self._pass: _Pass | None = None
        self._stuck_due = clock()
        self.requeued = self.rejected = 0  # how many orders the last pass requeued, and how many it could not

    def step(self) -> Outcome:
        """Start a pass, or finish the current one if possible; after an error of MongoDB or Kafka call it again."""
        current = self._pass or self._begin()
        if not current.ids:
            return Outcome.IDLE
        reading = self._offsets.read()
        if not current.ends:
            current.ends = {partition: offsets.end for partition, offsets in reading.items()}
        self._pass = current
        if any(p not in reading or reading[p].end < end for p, end in current.ends.items()):
            self._pass = None
            return Outcome.RESTARTED
        if not all(reading[p].position >= end for p, end in current.ends.items()):
            return Outcome.WAITING
        self.rejected = 0
        self.requeued = sum(self._requeue(ids) for ids in _chunks(current.ids))
        self._pass = None
        return Outcome.REQUEUED

    def _begin(self) -> _Pass:
        """Read the orders. Stuck orders, requeued 5 times or more, are added every 10 minutes at most."""
        ids = self._orders.without_outbox_entry(limit=PASS_LIMIT, stuck=False)
        if len(ids) < PASS_LIMIT:
            stuck = self._orders.without_outbox_entry(limit=PASS_LIMIT, stuck=True)
            self._on_stuck(len(stuck))
            if stuck and self._clock() >= self._stuck_due:
                self._stuck_due = self._clock() + STUCK_PAUSE_SECONDS
                ids += stuck[: PASS_LIMIT - len(ids)]
        return _Pass(ids)

    def _requeue(self, ids: Sequence[str]) -> int:
        """Requeue orders, return how many; an order that MongoDB rejects is counted, and does not stop the others."""
        counts: list[int] = []

        def apply(part: Sequence[str]) -> None:
            requeued = self._orders.requeue(part)
            if requeued:
                counts.append(requeued)
                self._on_requeued(requeued)
                logger.warning("orders_requeued", count=requeued)

        for order_id, error in bisect(ids, apply):
            self.rejected += 1
            logger.warning("order_requeue_failed", order_id=order_id, error=type(error).__name__)
        return sum(counts)


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
