"""The poll loop: receive events, have them handled, commit their offsets; in an outage pause and retry."""

import threading
import time
from collections.abc import Callable, Iterable
from random import random
from typing import Any

from order_processor.batch import Batch
from order_processor.offset_committer import OffsetCommitter
from shared.kafka import KafkaError, KafkaException, TopicPartition
from shared.kafka import Message as ClientMessage
from shared.kafka_message import Message, Partition
from shared.ordering.events import TOPIC
from shared.resilience import crash
from shared.resilience.backoff import Backoff
from shared.resilience.outage import is_outage
from shared.telemetry import log

MAX_BATCH = 500
POLL_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
LONG_POLL_SECONDS = 1.0
END_OF_PARTITION = KafkaError._PARTITION_EOF  # noqa: SLF001 - the only name that it has

logger = log.get(__name__)


def client_config(group_protocol: str) -> dict[str, Any]:
    """Return the client settings of this loop. With the consumer protocol the broker sets the session timeout."""
    own = {
        "group.protocol": group_protocol,
        "queued.max.messages.kbytes": 16 * 1024,
        # Without a minimum the broker sends a reply for each event that arrives, which costs more than storing it.
        "fetch.min.bytes": 64 * 1024,
        "fetch.wait.max.ms": 50,
        "enable.partition.eof": True,  # why: see the class Consumer
    }
    return own if group_protocol == "consumer" else own | {"session.timeout.ms": 10_000}


class Consumer:
    """Owns the Kafka client and the batch in flight; one thread calls `poll_once` again and again.

    `handle` handles a batch: it raises, or leaves in `batch.pending` what is to be retried after a pause.
    `incremental` says how partitions are assigned: True for the consumer protocol (KIP-848), False for the classic one.

    The end of a partition is committed too. The offsets before it need not be events: a transaction leaves control
    records, and compaction leaves gaps. Without that commit the lag would never be 0 there.
    """

    def __init__(
        self,
        client: Any,
        handle: Callable[[Batch], None],
        committer: OffsetCommitter,
        *,
        incremental: bool,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._client = client
        self._handle = handle
        self._committer = committer
        self._assign = client.incremental_assign if incremental else client.assign
        self._clock = clock
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, jitter)
        self._batch: Batch | None = None
        self._paused = False
        self._is_stopping = False
        self._failures = 0
        self._next_attempt = 0.0
        self._finished: dict[Partition, int] = {}
        self.last_poll_at = clock()
        self.assigned: frozenset[Partition] = frozenset()

    def subscribe(self) -> None:
        """Join the group."""
        self._client.subscribe([TOPIC], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def poll_once(self) -> None:
        """Poll once and, unless a pause after a failure is still running, process the batch in flight."""
        self._receive(self._client.consume(MAX_BATCH, POLL_SECONDS))
        if self._batch and self._clock() >= self._next_attempt:
            self._process(self._batch)
        self._committer.commit(self._client)
        self.last_poll_at = self._clock()

    def close(self, seconds: float) -> None:
        """Finish and commit the batch in flight within `seconds`; then leave the group within another `seconds`."""
        deadline = self._clock() + seconds
        try:
            self._client.pause(self._client.assignment())  # from now on, polls return replies to commits but no events
            self._paused = self._is_stopping = True
            while not self.is_idle and self._clock() < deadline:
                self.poll_once()
        finally:
            # Without brokers, the client's close() never returns: the process then exits without it, and the group
            # removes the member after the session timeout.
            closing = threading.Thread(target=self._client.close, name="close", daemon=True)
            closing.start()
            closing.join(seconds)

    @property
    def is_idle(self) -> bool:
        """True when nothing is in flight and every offset is known to be committed."""
        return self._batch is None and self._committer.is_idle

    @property
    def is_busy(self) -> bool:
        """True while it is normal that no events arrive: partitions are paused, or the last poll ended over 1 s ago.

        Any thread may read it.
        """
        return self._paused or self._clock() - self.last_poll_at > LONG_POLL_SECONDS

    def _receive(self, messages: Iterable[ClientMessage]) -> None:
        for message in messages:
            error = message.error()
            if error is None:
                self._batch = self._batch or Batch()
                self._batch.add([Message.from_client(message)])
            elif error.code() == END_OF_PARTITION:
                self._on_end((message.topic() or "", message.partition() or 0), message.offset() or 0)
            else:
                _on_error(error)

    def _on_end(self, partition: Partition, offset: int) -> None:
        if self._batch or self._finished.get(partition) != offset:
            self._batch = self._batch or Batch()
            self._batch.skip_to(partition, offset)

    def _process(self, batch: Batch) -> None:
        has_events = bool(batch.pending)
        try:
            if has_events:
                crash.point("before-update")
                self._handle(batch)
        except Exception as error:  # noqa: BLE001 - whatever happens, the events stay in flight
            self._pause_and_retry(batch, error)
        else:
            if batch.pending:
                self._pause_and_retry(batch, None)
            else:
                if has_events:
                    crash.point("before-commit")
                self._finished |= batch.done
                self._committer.add(batch.done)
                self._resume()

    def _pause_and_retry(self, batch: Batch, error: Exception | None) -> None:
        """Pause the partitions and retry the batch: after 0.1 s at first, doubling up to 30 s."""
        if not self._paused:
            self._client.pause(self._client.assignment())
            self._paused = True
        self._failures += 1
        pause = self._backoff.pause(self._failures)
        self._next_attempt = self._clock() + pause
        if error is None:
            logger.info("batch_retry_scheduled", left=len(batch.pending), pause=round(pause, 2))
        elif is_outage(error):
            logger.warning(
                "dependency_unavailable", error=type(error).__name__, detail=str(error)[:300], pause=round(pause, 2)
            )
        else:
            logger.error("unexpected_error", pause=round(pause, 2), exc_info=error)

    def _resume(self) -> None:
        self._batch = None
        self._failures = 0
        self._next_attempt = 0.0
        if self._paused and not self._is_stopping:
            self._client.resume(self._client.assignment())
            self._paused = False

    def _on_assign(self, _client: Any, partitions: list[TopicPartition]) -> None:
        """Record the new partitions.

        While a batch waits for a retry, they are assigned here and paused; otherwise the client assigns them itself.
        """
        self.assigned |= _keys(partitions)
        if self._paused:
            self._assign(partitions)
            self._client.pause(partitions)
        logger.info("partitions_assigned", partitions=sorted(p.partition for p in partitions))

    def _on_revoke(self, _client: Any, partitions: list[TopicPartition]) -> None:
        """Commit what is done of these partitions and forget their other events, which their new owner receives.

        The client releases the partitions only after the broker has replied to the commit.
        """
        keys = _keys(partitions)
        if self._batch:
            self._committer.add({key: offset for key, offset in self._batch.done.items() if key in keys})
        if not self._committer.is_idle:
            self._committer.commit_now(self._client)
        self._drop(keys)
        logger.info("partitions_revoked", partitions=sorted(p.partition for p in partitions))

    def _on_lost(self, _client: Any, partitions: list[TopicPartition]) -> None:
        """Forget the events of partitions that already belong to another consumer."""
        self._drop(_keys(partitions))
        logger.warning("partitions_lost", partitions=sorted(p.partition for p in partitions))

    def _drop(self, keys: frozenset[Partition]) -> None:
        self.assigned -= keys
        self._committer.drop(keys)
        self._finished = {key: offset for key, offset in self._finished.items() if key not in keys}
        if self._batch:
            self._batch.drop(keys)
            if not self._batch.done:  # no partition of the batch is left, so there is nothing to retry
                self._next_attempt = 0.0


def _keys(partitions: Iterable[TopicPartition]) -> frozenset[Partition]:
    return frozenset((partition.topic, partition.partition) for partition in partitions)


def _on_error(error: KafkaError) -> None:
    """Log an error that the client returned instead of an event, or raise it if it is fatal.

    The client recovers by itself from every error that is not fatal.
    """
    if error.fatal():
        raise KafkaException(error)
    logger.warning("consumer_error", error=error.name(), detail=error.str())
