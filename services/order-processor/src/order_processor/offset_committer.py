# ruff: noqa: SLF001 - librdkafka's own errors begin with an underscore
"""Offsets of what is done: sent to the broker one request at a time, and again until the broker has answered."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from shared.kafka import KafkaError, KafkaException, TopicPartition
from shared.kafka_message import Partition
from shared.telemetry import log

PAUSE_SECONDS = 1.0
# What a broker answers to the commit of one who has lost the partition, or its place in the group, or whose topic is
# gone: another will get the events again, which is harmless. STALE_MEMBER_EPOCH and REBALANCE_IN_PROGRESS are not
# among them: they come for partitions that stay, too, and a partition that goes is dropped.
REFUSALS = frozenset(
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


class Commits:
    """Explicit commits, that also go back where a topic was made anew. For one thread: the one that polls.

    A commit that waits for its answer (`asynchronous=False`) hangs for minutes when the brokers are away, and takes no
    limit of time. So the answer comes to `answered`, which is to be the client's `on_commit`, while the loop polls on.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[Partition, int] = {}  # not answered yet; the newest offset counts, a lower one too
        self._open = 0  # requests without answer: two, when partitions were revoked while one was open
        self._next_try = 0.0

    def add(self, offsets: dict[Partition, int]) -> None:
        """Take offsets to be committed."""
        self._waiting |= offsets

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget partitions that are another's now."""
        for partition in partitions:
            self._waiting.pop(partition, None)

    @property
    def are_answered(self) -> bool:
        """True when the broker has answered for everything."""
        return not self._waiting

    def send(self, consumer: Any) -> None:
        """Ask for what waits, unless an answer is still to come or a failure was a moment ago."""
        if self._waiting and not self._open and self._clock() >= self._next_try:
            self.send_now(consumer)

    def send_now(self, consumer: Any) -> None:
        """Ask at once."""
        self._open += 1
        wanted = [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._waiting.items()]
        try:
            consumer.commit(offsets=wanted, asynchronous=True)
        except KafkaException as error:
            self.answered(error.args[0], wanted)

    def answered(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Take the broker's answer: what is committed or refused is settled, anything else is asked again after 1 s."""
        self._open -= 1
        for answer in partitions:
            refusal = answer.error or error
            key = answer.topic, answer.partition
            settled = refusal is None or refusal.code() in REFUSALS
            if settled and self._waiting.get(key) == answer.offset:
                del self._waiting[key]
            if refusal is not None:
                self._next_try = self._clock() + PAUSE_SECONDS
                logger.info("commit_refused", partition=answer.partition, error=refusal.name())
