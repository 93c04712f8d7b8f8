"""The consumer's loop, one turn at a time: take events, have them handled, commit; in an outage pause and try again."""

import threading
import time
from collections.abc import Callable, Iterable
from random import random
from typing import Any, Protocol

from order_processor.batch import Batch
from order_processor.offset_committer import Commits
from shared.kafka import KafkaError, KafkaException, TopicPartition
from shared.kafka import Message as ClientMessage
from shared.kafka_message import Message, Partition
from shared.ordering.events import TOPIC
from shared.resilience import crash
from shared.resilience.outage import is_outage
from shared.telemetry import log

BATCH = 500
TAKE_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
LONG_TURN_SECONDS = 1.0

logger = log.get(__name__)


def settings(group_protocol: str) -> dict[str, Any]:
    """Return the client's settings for this loop. The consumer protocol takes its session's time from the broker."""
    own = {"group.protocol": group_protocol, "queued.max.messages.kbytes": 16 * 1024}
    return own if group_protocol == "consumer" else own | {"session.timeout.ms": 10_000}


class Handles(Protocol):
    """What the loop needs of the handler."""

    def handle(self, batch: Batch) -> None: ...  # noqa: D102 - said at the handler


class Loop:
    """Owns the consumer and the batch in hand; one thread calls `turn` again and again.

    `incremental` tells how partitions are assigned: True for the consumer protocol (KIP-848), False for the classic.
    """

    def __init__(
        self,
        consumer: Any,
        handler: Handles,
        commits: Commits,
        *,
        incremental: bool,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._consumer = consumer
        self._handler = handler
        self._commits = commits
        self._assign = consumer.incremental_assign if incremental else consumer.assign
        self._clock = clock
        self._jitter = jitter
        self._batch: Batch | None = None
        self._paused = False
        self._is_ending = False
        self._failures = 0
        self._next_try = 0.0
        self.finished_at = clock()
        self.held: frozenset[Partition] = frozenset()

    def start(self) -> None:
        """Join the group."""
        self._consumer.subscribe([TOPIC], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def turn(self) -> None:
        """Poll once and, unless a pause after a failure is still running, go on with what is in hand."""
        self._take(self._consumer.consume(BATCH, TAKE_SECONDS))
        if self._batch and self._clock() >= self._next_try:
            self._go_on(self._batch)
        self._commits.send(self._consumer)
        self.finished_at = self._clock()

    def finish(self, seconds: float) -> None:
        """End what is in hand and commit it, for at most `seconds`; then leave the group, for at most as long again."""
        give_up = self._clock() + seconds
        try:
            self._consumer.pause(self._consumer.assignment())  # so that a turn brings answers and no more events
            self._paused = self._is_ending = True
            while not self.is_idle and self._clock() < give_up:
                self.turn()
        finally:
            # Without brokers, close() never comes back: then the process ends without it, and the group times it out.
            closing = threading.Thread(target=self._consumer.close, name="close", daemon=True)
            closing.start()
            closing.join(seconds)

    @property
    def is_idle(self) -> bool:
        """True when nothing is in hand, and everything that was is known to be committed."""
        return self._batch is None and self._commits.are_answered

    @property
    def is_busy(self) -> bool:
        """True while no events are awaited: after a failure, and in a turn that takes long. Any thread may ask."""
        return self._paused or self._clock() - self.finished_at > LONG_TURN_SECONDS

    def _take(self, messages: Iterable[ClientMessage]) -> None:
        good = []
        for message in messages:
            if error := message.error():
                _note(error)
            else:
                good.append(Message.from_client(message))
        if good:
            self._batch = self._batch or Batch()
            self._batch.add(good)

    def _go_on(self, batch: Batch) -> None:
        crash.point("before-update")
        try:
            self._handler.handle(batch)
        except Exception as error:  # noqa: BLE001 - whatever happens, the events stay in hand
            self._hold(batch, error)
        else:
            if batch.todo:
                self._hold(batch, None)
            else:
                crash.point("before-commit")
                self._commits.add(batch.done)
                self._let_go()

    def _hold(self, batch: Batch, error: Exception | None) -> None:
        """Pause: after 0.1 s at first, then longer and longer up to 30 s, the batch is tried again."""
        if not self._paused:
            self._consumer.pause(self._consumer.assignment())
            self._paused = True
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 20))
        pause *= 0.5 + self._jitter() / 2
        self._failures += 1
        self._next_try = self._clock() + pause
        if error is None:
            logger.info("batch_retry_scheduled", left=len(batch.todo), pause=round(pause, 2))
        elif is_outage(error):
            logger.warning(
                "dependency_unavailable", error=type(error).__name__, detail=str(error)[:300], pause=round(pause, 2)
            )
        else:
            logger.error("unexpected_error", pause=round(pause, 2), exc_info=error)

    def _let_go(self) -> None:
        self._batch = None
        self._failures = 0
        self._next_try = 0.0
        if self._paused and not self._is_ending:
            self._consumer.resume(self._consumer.assignment())
            self._paused = False

    def _assigned(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        """Take partitions; paused ones while a batch is held. The client assigns them itself unless this does."""
        self.held |= _keys(partitions)
        if self._paused:
            self._assign(partitions)
            self._consumer.pause(partitions)
        logger.info("partitions_assigned", partitions=sorted(p.partition for p in partitions))

    def _revoked(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        """Commit what is done of these partitions, and forget the rest of their events: another will get them.

        The client leaves them only when the broker has answered.
        """
        keys = _keys(partitions)
        if self._batch:
            self._commits.add({key: offset for key, offset in self._batch.done.items() if key in keys})
        if not self._commits.are_answered:
            self._commits.send_now(self._consumer)
        self._drop(keys)
        logger.info("partitions_revoked", partitions=sorted(p.partition for p in partitions))

    def _lost(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        """Forget the events of partitions that are another's already."""
        self._drop(_keys(partitions))
        logger.warning("partitions_lost", partitions=sorted(p.partition for p in partitions))

    def _drop(self, keys: frozenset[Partition]) -> None:
        self.held -= keys
        self._commits.drop(keys)
        if self._batch:
            self._batch.drop(keys)
            if not self._batch.done:  # nothing is left that a pause could be for
                self._next_try = 0.0


def _keys(partitions: Iterable[TopicPartition]) -> frozenset[Partition]:
    return frozenset((partition.topic, partition.partition) for partition in partitions)


def _note(error: KafkaError) -> None:
    """Tell of an error that came in place of an event. The client goes on by itself, unless it is fatal."""
    if error.fatal():
        raise KafkaException(error)
    logger.warning("consumer_error", error=error.name(), detail=error.str())
