"""The operator's reads from Kafka: the event of an order, dead letters, and the group's offsets.

The consumer joins no group and commits nothing; only `acknowledge` commits, through another client. Every call is
bounded: KafkaUnavailable is raised within seconds if no broker responds, and a search ends after SEARCH_SECONDS with
what it has found so far.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Generic, TypeVar

from retail_cli.reports import EventCopy
from shared import kafka
from shared.kafka_message import Message
from shared.ordering.events import DEAD_LETTER_GROUP, DEAD_LETTER_TOPIC, GROUP, TOPIC
from shared.ordering.offsets import GroupOffsets, Reading

CALL_SECONDS = 4.0
SEARCH_SECONDS = 10.0
FETCH_MS = 10  # how long a broker waits for more messages before it reports the end of a partition
NO_GROUP = "retail-operator"  # the client requires a group; partitions are assigned by hand, and nothing is committed
CLOCK_SKEW = timedelta(minutes=5)
END_OF_PARTITION = kafka.KafkaError._PARTITION_EOF  # noqa: SLF001 - its only name
T = TypeVar("T")


class KafkaUnavailable(Exception):  # noqa: N818 - a state of Kafka
    """Kafka does not respond in time, or reports an error; the message has the cause."""


@dataclass(frozen=True, slots=True)
class Record:
    """A message in a topic, and its timestamp."""

    message: Message
    at: datetime


@dataclass(frozen=True, slots=True)
class SearchResult(Generic[T]):
    """The result of a search; `complete` is false if a limit of time or records ended the search early."""

    items: list[T]
    complete: bool


class Topics:
    """Reads the event topic and the dead-letter topic through one consumer, made at the first call. Not thread-safe."""

    def __init__(self, connection: kafka.Connection) -> None:
        self._connection = connection
        self._last_error = ""
        self._made: kafka.Consumer | None = None

    def events(self, order_id: str, since: datetime) -> SearchResult[EventCopy]:
        """Find the copies of an order's event published after `since`; all have one key, and so one partition."""
        key = order_id.encode()
        starts = self._call(self._consumer.offsets_for_times, self._at(TOPIC, since - CLOCK_SKEW))
        group = self.read()
        scan = _Scan(self._consumer, starts)
        copies = []
        for record in scan:
            m = record.message
            if m.key == key:
                scan.keep_only(m.partition)
                handled = m.partition in group and group[m.partition].position > m.offset
                copies.append(EventCopy(m.topic, m.partition, m.offset, record.at, handled))
        return SearchResult(copies, scan.complete)

    def dead_letters(self, limit: int, order_id: str | None = None) -> SearchResult[Record]:
        """Return dead letters of one order (by the record's key) or of all, newest first, `limit` at most.

        Only the newest `limit` records of each partition are searched.
        """
        starts = []
        skipped = False
        for partition in self._partitions(DEAD_LETTER_TOPIC):
            low, high = self._call(self._consumer.get_watermark_offsets, partition)
            skipped = skipped or high - low > limit
            starts.append(kafka.TopicPartition(partition.topic, partition.partition, max(low, high - limit)))
        scan = _Scan(self._consumer, starts)
        key = None if order_id is None else order_id.encode()
        records = [record for record in scan if order_id is None or record.message.key == key]
        records.sort(key=lambda record: (record.at, record.message.offset), reverse=True)
        return SearchResult(records[:limit], scan.complete and not skipped and len(records) <= limit)

    def dead_letter(self, partition: int, offset: int) -> Record | None:
        """Return the dead letter at a position, None if there is none."""
        if partition not in {p.partition for p in self._partitions(DEAD_LETTER_TOPIC)}:
            return None
        position = kafka.TopicPartition(DEAD_LETTER_TOPIC, partition)
        low, high = self._call(self._consumer.get_watermark_offsets, position)
        if not low <= offset < high:
            return None
        start = kafka.TopicPartition(DEAD_LETTER_TOPIC, partition, offset)
        first = next(iter(_Scan(self._consumer, [start])), None)
        return first if first and first.message.offset == offset else None

    def acknowledge(self, partition: int, offset: int) -> bool:
        """Record that a person has dealt with the dead letters of a partition up to this offset.

        Return False if that is recorded already, up to this offset or a higher one.
        """
        known = GroupOffsets(
            self._connection, topic=DEAD_LETTER_TOPIC, group=DEAD_LETTER_GROUP, **kafka.WITHOUT_CLIENT_LOG
        )
        with closing(known):
            if self._read(known)[partition].position > offset:
                return False
        self._commit(kafka.TopicPartition(DEAD_LETTER_TOPIC, partition, offset + 1))
        return True

    def _commit(self, position: kafka.TopicPartition) -> None:
        """Commit an offset of DEAD_LETTER_GROUP, and wait until a broker confirms it; raise KafkaUnavailable."""
        replies: list[kafka.KafkaError | None] = []
        options = {"group.protocol": "classic", "on_commit": lambda error, _offsets: replies.append(error)}
        client = kafka.consumer(
            self._connection, DEAD_LETTER_GROUP, self._on_error, **kafka.WITHOUT_CLIENT_LOG, **options
        )
        try:
            client.commit(offsets=[position], asynchronous=True)  # a synchronous commit could wait for minutes
            deadline = time.monotonic() + SEARCH_SECONDS
            while not replies and time.monotonic() < deadline:
                client.poll(0.1)
        except kafka.KafkaException as error:
            raise self._unavailable(error) from None
        finally:
            client.close()
        reply = replies[0] if replies else kafka.KafkaError(kafka.KafkaError._TIMED_OUT)  # noqa: SLF001
        if reply is not None:
            raise self._unavailable(kafka.KafkaException(reply))

    def read(self) -> Reading:
        """Return the offsets of each partition of the event topic, and the group's committed offsets."""
        return self._read(self._offsets)

    def _read(self, offsets: GroupOffsets) -> Reading:
        try:
            return offsets.read()
        except (kafka.KafkaException, TimeoutError) as error:
            raise self._unavailable(error) from None

    @cached_property
    def _offsets(self) -> GroupOffsets:
        return GroupOffsets(self._connection, topic=TOPIC, group=GROUP, **kafka.WITHOUT_CLIENT_LOG)

    def close(self) -> None:
        """Close the clients that were opened."""
        if "_offsets" in self.__dict__:
            self._offsets.close()
        if self._made is not None:
            self._made.close()

    @property
    def _consumer(self) -> kafka.Consumer:
        if self._made is None:
            self._made = kafka.consumer(
                self._connection,
                NO_GROUP,
                self._on_error,
                **kafka.WITHOUT_CLIENT_LOG,  # the client logs nothing: KafkaUnavailable has the cause
                **{"group.protocol": "classic", "enable.partition.eof": True, "fetch.wait.max.ms": FETCH_MS},
            )
        return self._made

    def _on_error(self, error: kafka.KafkaError) -> None:
        self._last_error = error.str()

    def _partitions(self, topic: str) -> list[kafka.TopicPartition]:
        metadata = self._call(self._consumer.list_topics, topic).topics[topic]
        if metadata.error is not None:
            raise KafkaUnavailable(f"topic {topic}: {metadata.error.str()}")
        return [kafka.TopicPartition(topic, partition) for partition in sorted(metadata.partitions)]

    def _at(self, topic: str, moment: datetime) -> list[kafka.TopicPartition]:
        milliseconds = max(0, int(moment.timestamp() * 1000))
        return [kafka.TopicPartition(topic, p.partition, milliseconds) for p in self._partitions(topic)]

    def _call(self, method: Callable[..., T], *arguments: object) -> T:
        """Call a method of the consumer with a timeout; raise KafkaUnavailable with the cause."""
        try:
            return method(*arguments, timeout=CALL_SECONDS)
        except kafka.KafkaException as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> KafkaUnavailable:
        self._consumer.poll(0)  # the poll calls `_on_error`, which stores the cause
        first = error.args[0] if error.args else None
        cause = self._last_error or (first.str() if isinstance(first, kafka.KafkaError) else "no response in time")
        return KafkaUnavailable(f"{self._connection.bootstrap_servers}: {cause}")


class _Scan(Iterable[Record]):
    """Reads partitions from the given offsets to their current ends, for at most SEARCH_SECONDS."""

    def __init__(self, consumer: kafka.Consumer, starts: list[kafka.TopicPartition]) -> None:
        self._consumer = consumer
        self._open = {start.partition for start in starts}
        self._deadline = time.monotonic() + SEARCH_SECONDS
        consumer.assign(starts)

    @property
    def complete(self) -> bool:
        """Whether every partition was read to its end, except those that `keep_only` dropped."""
        return not self._open

    def keep_only(self, partition: int) -> None:
        """Read on only in `partition`: drop all others."""
        self._open &= {partition}

    def __iter__(self) -> Iterator[Record]:
        while self._open and time.monotonic() < self._deadline:
            for message in self._consumer.consume(500, 0.2):
                if message.partition() not in self._open:
                    continue
                error = message.error()
                if error is None:
                    yield Record(
                        Message.from_client(message), datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
                    )
                elif error.code() == END_OF_PARTITION:
                    self._open.discard(message.partition())
                elif not error.retriable():
                    raise KafkaUnavailable(error.str())
