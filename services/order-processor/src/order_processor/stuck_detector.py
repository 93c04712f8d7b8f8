"""Detects a consumer that receives no events although some are waiting.

librdkafka 2.16 can get into this state when a topic is recreated while its consumer hangs: it gets the partitions back
without fetching from them, or leaves the group and never returns. Only a new client helps. The process exits, and the
next one receives the events.
"""

import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from shared.kafka_message import Partition
from shared.ordering.offsets import Reading

STUCK_SECONDS = 20.0
STUCK_UNASSIGNED_SECONDS = 60.0  # without partitions: the group needs time to assign them
MIN_OBSERVATIONS = 3  # more than one: while a process is suspended, time passes without observations


class ConsumerStuck(Exception):  # noqa: N818 - read as a state of the client
    """The client receives no events although some are waiting."""


class Standstill(NamedTuple):
    """A position that has not moved: since when, and how often it was observed."""

    position: int
    since: float
    observations: int


class StuckDetector:
    """Observes the group's position in each assigned partition, or in all partitions while none is assigned.

    One thread observes, any thread may check.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._standstills: dict[int, Standstill] = {}
        self._limit = STUCK_SECONDS

    def observe(self, reading: Reading, assigned: Collection[Partition], *, is_busy: bool) -> None:
        """Record the offsets. `is_busy` explains why no events arrive: then no position counts as stuck."""
        standstills = {}
        own = {partition for _, partition in assigned}
        for partition, offsets in reading.items():
            if offsets.lag == 0 or is_busy or (own and partition not in own):
                continue
            before = self._standstills.get(partition)
            if before is None or before.position != offsets.position:
                before = Standstill(offsets.position, self._clock(), 0)
            standstills[partition] = before._replace(observations=before.observations + 1)
        self._standstills = standstills
        self._limit = STUCK_SECONDS if own else STUCK_UNASSIGNED_SECONDS

    def reset(self) -> None:
        """Forget all observations: while the offsets are unknown, nobody knows whether events are waiting."""
        self._standstills = {}

    def check(self) -> None:
        """Raise ConsumerStuck if a position has not moved in three observations and 20 s while events were waiting.

        Without an assigned partition the limit is 60 s: the other consumers may only be slow.
        """
        for partition, (position, since, observations) in self._standstills.items():
            if observations >= MIN_OBSERVATIONS and self._clock() - since >= self._limit:
                raise ConsumerStuck(f"partition {partition} is stuck at offset {position} with events waiting")
