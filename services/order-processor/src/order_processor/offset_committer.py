# ruff: noqa: SLF001 - librdkafka's own errors begin with an underscore
"""Commits offsets: one request at a time, repeated until the broker has replied."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from shared.kafka import KafkaError, KafkaException, TopicPartition
from shared.kafka_message import Partition
from shared.telemetry import log

PAUSE_SECONDS = 1.0
# Errors that a broker returns to a member that has lost the partition or its place in the group, or whose topic was
# deleted. Retrying is useless: another consumer receives the events again, which is harmless. STALE_MEMBER_EPOCH and
# REBALANCE_IN_PROGRESS are not listed: they also come for partitions that stay assigned; `drop` forgets the lost ones.
REJECTIONS = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._NO_OFFSET,
    }
)

logger = log.get(__name__)


class OffsetCommitter:
    """Commits offsets explicitly, also lower ones after a topic was recreated. Only for the thread that polls.

    A commit that waits for its reply (`asynchronous=False`) hangs for minutes without brokers and has no time limit. So
    replies arrive at `on_commit`, which must be the client's callback of that name, while the consumer continues to
    poll.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # offsets neither committed nor rejected yet; a newer one replaces an older one, even if it is lower
        self._waiting: dict[Partition, int] = {}
        self._open = 0  # requests without a reply yet; 2 if partitions are revoked while a reply is missing
        self._next_attempt = 0.0

    def add(self, offsets: dict[Partition, int]) -> None:
        """Add offsets to be committed."""
        self._waiting |= offsets

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget partitions that now belong to another consumer."""
        for partition in partitions:
            self._waiting.pop(partition, None)

    @property
    def is_idle(self) -> bool:
        """True when every offset was committed or rejected."""
        return not self._waiting

    def commit(self, client: Any) -> None:
        """Request the commit of the added offsets, unless a reply is missing or a request failed less than 1 s ago."""
        if self._waiting and not self._open and self._clock() >= self._next_attempt:
            self.commit_now(client)

    def commit_now(self, client: Any) -> None:
        """Request the commit of the added offsets at once."""
        self._open += 1
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._waiting.items()]
        try:
            client.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self.on_commit(error.args[0], offsets)

    def on_commit(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Handle the broker's reply: forget offsets that were committed or rejected; `commit` repeats the others."""
        self._open -= 1
        for reply in partitions:
            rejection = reply.error or error
            key = reply.topic, reply.partition
            is_final = rejection is None or rejection.code() in REJECTIONS
            if is_final and self._waiting.get(key) == reply.offset:
                del self._waiting[key]
            if rejection is not None:
                self._next_attempt = self._clock() + PAUSE_SECONDS
                logger.info("commit_refused", partition=reply.partition, error=rejection.name())
