"""Notices that events wait and do not come.

librdkafka 2.16 can end so when a topic is made anew while its consumer hangs: the partitions come back and the
fetching does not, or the member is out of the group and stays out. Only a new client helps. The process ends, and the
next one has the events.
"""

import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from shared.kafka_message import Partition
from shared.ordering.offsets import Reading

STALLED_SECONDS = 20.0
OUTSIDE_SECONDS = 60.0  # for one who holds nothing: the group needs a while to share partitions out
LOOKS = 3  # a process that was stopped for long has not looked meanwhile


class Stalled(Exception):  # noqa: N818 - read as a state of the client
    """The client brings no more events."""


class Standing(NamedTuple):
    """A partition whose position has not moved: since when, and how often it was looked at."""

    position: int
    since: float
    looks: int


class Progress:
    """Watches the group's position in each partition that is held, or in all while none is.

    One thread observes, any may check.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._standing: dict[int, Standing] = {}
        self._limit = STALLED_SECONDS

    def observe(self, reading: Reading, held: Collection[Partition], *, is_busy: bool) -> None:
        """Take note of the offsets. While the loop is busy or paused nothing is to come, so nothing stands still."""
        standing = {}
        own = {partition for _, partition in held}
        for partition, offsets in reading.items():
            if offsets.lag == 0 or is_busy or (own and partition not in own):
                continue
            before = self._standing.get(partition)
            if before is None or before.position != offsets.position:
                before = Standing(offsets.position, self._clock(), 0)
            standing[partition] = before._replace(looks=before.looks + 1)
        self._standing = standing
        self._limit = STALLED_SECONDS if own else OUTSIDE_SECONDS

    def forget(self) -> None:
        """Begin anew: while the offsets are unknown, nobody knows whether anything could come."""
        self._standing = {}

    def check(self) -> None:
        """Raise Stalled when a partition has stood still, with events waiting, for three looks and 20 s.

        One who holds no partition waits 60 s: others may only be slow, and its own end costs nobody anything.
        """
        for partition, (position, since, looks) in self._standing.items():
            if looks >= LOOKS and self._clock() - since >= self._limit:
                raise Stalled(f"events wait in partition {partition}, and none has come since offset {position}")
