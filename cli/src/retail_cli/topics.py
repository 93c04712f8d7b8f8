"""What the operator reads from Kafka: an order's event, the dead letters, and how far the group has come.

The consumer joins no group and commits nothing. Every call is bounded: a broker that does not answer raises KafkaAway
within seconds, and a search that would take longer stops and says so.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Generic, TypeVar

from retail_cli.reports import Copy
from shared import kafka
from shared.kafka_message import Message
from shared.ordering.events import DEAD_LETTER_TOPIC, GROUP, TOPIC
from shared.ordering.offsets import GroupOffsets, Reading

CALL_SECONDS = 4.0
SEARCH_SECONDS = 10.0
NO_GROUP = "retail-operator"  # a consumer must name one; partitions are assigned by hand, and nothing is committed
CLOCK_SKEW = timedelta(minutes=5)
END_OF_PARTITION = kafka.KafkaError._PARTITION_EOF  # noqa: SLF001 - the only name that it has
T = TypeVar("T")


class KafkaAway(Exception):  # noqa: N818 - read as a state of Kafka
    """Kafka does not answer, or refuses this user; the message says which."""


@dataclass(frozen=True, slots=True)
class Record:
    """A message as it lies in its topic, and since when."""

    message: Message
    at: datetime


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What a search has found; `complete` is false when time or limit ended it."""

    items: list[T]
    complete: bool


class Topics:
    """Reads both topics through one consumer, made at the first call. Not for several threads."""

    def __init__(self, connection: kafka.Connection) -> None:
        self._connection = connection
        self._trouble = ""
        self._made: kafka.Consumer | None = None

    def events(self, orderid: str, since: datetime) -> Found[Copy]:
        """Find the copies of an order's event published since; all have one key, and so one partition."""
        key = orderid.encode()
        starts = self._call(self._consumer.offsets_for_times, self._at(TOPIC, since - CLOCK_SKEW))
        group = self.read()
        scan = _Scan(self._consumer, starts)
        copies = []
        for record in scan:
            m = record.message
            if m.key == key:
                scan.keep_only(m.partition)
                handled = m.partition in group and group[m.partition].position > m.offset
                copies.append(Copy(m.topic, m.partition, m.offset, record.at, handled))
        return Found(copies, scan.complete)

    def dead_letters(self, limit: int, orderid: str | None = None) -> Found[Record]:
        """Return the newest dead letters, newest first: of one order (by the record's key), or all."""
        starts = []
        cut = False
        for partition in self._partitions(DEAD_LETTER_TOPIC):
            low, high = self._call(self._consumer.get_watermark_offsets, partition)
            cut = cut or high - low > limit
            starts.append(kafka.TopicPartition(partition.topic, partition.partition, max(low, high - limit)))
        scan = _Scan(self._consumer, starts)
        key = None if orderid is None else orderid.encode()
        records = [record for record in scan if orderid is None or record.message.key == key]
        records.sort(key=lambda record: (record.at, record.message.offset), reverse=True)
        return Found(records[:limit], scan.complete and not cut and len(records) <= limit)

    def dead_letter(self, partition: int, offset: int) -> Record | None:
        """Return one dead letter, or None if nothing lies there."""
        if partition not in {p.partition for p in self._partitions(DEAD_LETTER_TOPIC)}:
            return None
        place = kafka.TopicPartition(DEAD_LETTER_TOPIC, partition)
        low, high = self._call(self._consumer.get_watermark_offsets, place)
        if not low <= offset < high:
            return None
        first = next(iter(_Scan(self._consumer, [kafka.TopicPartition(DEAD_LETTER_TOPIC, partition, offset)])), None)
        return first if first and first.message.offset == offset else None

    def read(self) -> Reading:
        """Return where each partition of the events begins and ends, and where the group is."""
        try:
            return self._log.read()
        except (kafka.KafkaException, TimeoutError) as error:
            raise self._away(error) from None

    @cached_property
    def _log(self) -> GroupOffsets:
        return GroupOffsets(self._connection, topic=TOPIC, group=GROUP, **kafka.WITHOUT_CLIENT_LOG)

    def close(self) -> None:
        """Close the clients that were made."""
        if "_log" in self.__dict__:
            self._log.close()
        if self._made is not None:
            self._made.close()

    @property
    def _consumer(self) -> kafka.Consumer:
        if self._made is None:
            self._made = kafka.consumer(
                self._connection,
                NO_GROUP,
                self._on_error,
                **kafka.WITHOUT_CLIENT_LOG,  # what matters is in the exception
                **{"group.protocol": "classic", "enable.partition.eof": True},
            )
        return self._made

    def _on_error(self, error: kafka.KafkaError) -> None:
        self._trouble = error.str()

    def _partitions(self, topic: str) -> list[kafka.TopicPartition]:
        metadata = self._call(self._consumer.list_topics, topic).topics[topic]
        if metadata.error is not None:
            raise KafkaAway(f"topic {topic}: {metadata.error.str()}")
        return [kafka.TopicPartition(topic, partition) for partition in sorted(metadata.partitions)]

    def _at(self, topic: str, moment: datetime) -> list[kafka.TopicPartition]:
        milliseconds = int(moment.timestamp() * 1000)
        return [kafka.TopicPartition(topic, p.partition, milliseconds) for p in self._partitions(topic)]

    def _call(self, method: Callable[..., T], *arguments: object) -> T:
        """Call a method of the consumer that takes a timeout, and explain its failure."""
        try:
            return method(*arguments, timeout=CALL_SECONDS)
        except kafka.KafkaException as error:
            raise self._away(error) from None

    def _away(self, error: Exception) -> KafkaAway:
        self._consumer.poll(0)  # serves the error callback, which knows the cause
        first = error.args[0] if error.args else None
        why = self._trouble or (first.str() if isinstance(first, kafka.KafkaError) else "no answer in time")
        return KafkaAway(f"{self._connection.bootstrap_servers}: {why}")


class _Scan(Iterable[Record]):
    """Reads partitions from the given offsets to their present ends, for at most SEARCH_SECONDS."""

    def __init__(self, consumer: kafka.Consumer, starts: list[kafka.TopicPartition]) -> None:
        self._consumer = consumer
        self._open = {start.partition for start in starts}
        self._deadline = time.monotonic() + SEARCH_SECONDS
        consumer.assign(starts)

    @property
    def complete(self) -> bool:
        """True when every partition was read to its end."""
        return not self._open

    def keep_only(self, partition: int) -> None:
        """Read on in one partition alone."""
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
                    raise KafkaAway(error.str())
