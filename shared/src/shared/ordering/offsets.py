"""The ends of a topic's partitions and the offsets that a group has committed, read from Kafka."""

from dataclasses import dataclass

from shared import kafka
from shared.kafka import Connection, KafkaException, TopicPartition

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Offsets:
    """The first offset of a partition, the offset after its last message, and the group's committed offset, if any."""

    beginning: int
    end: int
    committed: int | None

    @property
    def position(self) -> int:
        """The offset before which the group has certainly handled everything.

        It is `beginning` if no offset is committed, if the committed one is lower (the events between have expired), or
        if it is beyond the current end: such an offset is left over from a topic that was deleted.
        """
        committed = self.committed if self.committed is not None and self.committed <= self.end else 0
        return max(committed, self.beginning)

    @property
    def lag(self) -> int:
        """The number of offsets that the group has not handled."""
        return self.end - self.position


Reading = dict[int, Offsets]  # partition → its offsets


class GroupOffsets:
    """The offsets of one group on one topic. For one thread; call `close` at the end.

    The client names the group but never joins it. An admin client could read the same offsets, but librdkafka
    2.16 then crashes (SIGSEGV in rd_kafka_cgrp_op) while the group's coordinator is being found or moved.
    """

    def __init__(self, connection: Connection, *, topic: str, group: str, **overrides: object) -> None:
        self._topic = topic
        self._client = kafka.consumer(connection, group, lambda _: None, **{"group.protocol": "classic"} | overrides)

    def read(self) -> Reading:
        """Return the offsets of every partition; raise KafkaException on any error, or if the topic does not exist."""
        self._client.poll(0)  # serves the client's events, which would pile up otherwise
        topic = self._client.list_topics(self._topic, timeout=TIMEOUT_SECONDS).topics[self._topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        partitions = [TopicPartition(self._topic, partition) for partition in topic.partitions]
        committed = self._committed(partitions)
        return {p.partition: self._offsets(p, committed.get(p.partition)) for p in partitions}

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _committed(self, partitions: list[TopicPartition]) -> dict[int, int]:
        found = self._client.committed(partitions, timeout=TIMEOUT_SECONDS)
        for partition in found:
            if partition.error:
                raise KafkaException(partition.error)
        return {partition.partition: partition.offset for partition in found if partition.offset >= 0}

    def _offsets(self, partition: TopicPartition, committed: int | None) -> Offsets:
        ends = self._client.get_watermark_offsets(partition, timeout=TIMEOUT_SECONDS)
        if ends is None:
            raise KafkaException(kafka.KafkaError(kafka.KafkaError._TIMED_OUT))  # noqa: SLF001 - the only name it has
        return Offsets(*ends, committed)
