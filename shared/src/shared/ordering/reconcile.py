"""Finds the orders whose event is lost, by the log's offsets and no clock, and has the event published again."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from shared.mongo import halves
from shared.resilience.outage import is_outage
from shared.telemetry import log
from shared.telemetry.metrics import ProcessorMetrics

MAX_IN_HAND = 50_000
CHUNK = 500
STUCK_PAUSE_SECONDS = 600.0

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Offsets:
    """Of one partition: its first offset, its end, and what the group has committed, if anything."""

    beginning: int
    end: int
    committed: int | None

    @property
    def position(self) -> int:
        """Where the group is, for sure.

        No committed offset, or one beyond the present end (left over from a topic that was deleted), counts as 0.
        """
        committed = self.committed if self.committed is not None and self.committed <= self.end else 0
        return max(committed, self.beginning)

    @property
    def lag(self) -> int:
        """How many events are still to be handled."""
        return self.end - self.position


Reading = dict[int, Offsets]


class Log(Protocol):
    """What reconciliation needs of Kafka."""

    def read(self) -> Reading:
        """Return the offsets of every partition; raise KafkaException."""


class Orders(Protocol):
    """What it needs of the store."""

    def unmarked(self, *, limit: int, stuck: bool) -> list[str]: ...  # noqa: D102 - said at the store
    def rearm(self, ids: Sequence[str]) -> int: ...  # noqa: D102


class Outcome(Enum):
    """What one step came to."""

    NOTHING = "no order is without marker"
    WAITING = "the group has not passed the ends yet"
    ANEW = "the log is shorter than before: the pass begins anew"
    REARMED = "the orders that still waited have their marker back"


@dataclass(slots=True)
class _Pass:
    """Orders seen PLACED without marker, and where the log ended after that."""

    ids: list[str]
    ends: dict[int, int] = field(default_factory=dict)


class Reconciler:
    """One pass after the other, a step at a time. For one thread.

    An order without marker has its event in the log, before the ends that are read after it. When the group has
    passed all of these and the order is still PLACED without marker, the event is lost.
    """

    def __init__(
        self, orders: Orders, log: Log, metrics: ProcessorMetrics, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._orders = orders
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._pass: _Pass | None = None
        self._stuck_due = clock()
        self.rearmed = self.refused = 0  # by the last pass that ended, or was broken off at its end

    def step(self) -> Outcome:
        """Begin a pass, or see whether the one in hand can end. Raise what MongoDB or Kafka raise; then call again."""
        current = self._pass or self._begin()
        if not current.ids:
            return Outcome.NOTHING
        reading = self._log.read()
        if not current.ends:
            current.ends = {partition: offsets.end for partition, offsets in reading.items()}
        self._pass = current
        if any(p not in reading or reading[p].end < end for p, end in current.ends.items()):
            self._pass = None
            return Outcome.ANEW
        if not all(reading[p].position >= end for p, end in current.ends.items()):
            return Outcome.WAITING
        self.refused = 0
        self.rearmed = sum(self._rearm(ids) for ids in _chunks(current.ids))
        self._pass = None
        return Outcome.REARMED

    def _begin(self) -> _Pass:
        """Read the orders. Those rearmed 5 times already take part every 10 minutes only."""
        ids = self._orders.unmarked(limit=MAX_IN_HAND, stuck=False)
        if len(ids) < MAX_IN_HAND:
            stuck = self._orders.unmarked(limit=MAX_IN_HAND, stuck=True)
            self._metrics.stuck.set(len(stuck))
            if stuck and self._clock() >= self._stuck_due:
                self._stuck_due = self._clock() + STUCK_PAUSE_SECONDS
                ids += stuck[: MAX_IN_HAND - len(ids)]
        return _Pass(ids)

    def _rearm(self, ids: Sequence[str]) -> int:
        try:
            rearmed = self._orders.rearm(ids)
        except Exception as error:
            if is_outage(error):
                raise
            if len(ids) > 1:  # one refused order must not keep the others
                return sum(map(self._rearm, halves(ids)))
            self.refused += 1
            logger.warning("order_requeue_failed", order_id=ids[0], error=type(error).__name__)
            return 0
        if rearmed:
            self._metrics.rearmed.inc(rearmed)
            logger.warning("orders_requeued", count=rearmed)
        return rearmed


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
