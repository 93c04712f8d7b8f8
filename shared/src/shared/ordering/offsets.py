"""Reads from Kafka how far the topic goes, and how far the group is."""

from shared import kafka
from shared.kafka import Connection, KafkaException, TopicPartition
from shared.ordering.reconcile import Offsets, Reading

TIMEOUT_SECONDS = 5.0


class GroupOffsets:
    """The offsets of one group on one topic, for one thread, until `close`.

    The client names the group but never joins it. An admin client would do for the same question, but librdkafka
    2.16 dies of it (SIGSEGV in rd_kafka_cgrp_op) when the group's coordinator is just being found or moved.
    """

    def __init__(self, connection: Connection, *, topic: str, group: str, **overrides: object) -> None:
        self._topic = topic
        self._client = kafka.consumer(connection, group, lambda _: None, **{"group.protocol": "classic"} | overrides)

    def read(self) -> Reading:
        """Return the offsets of every partition; raise KafkaException, also while there is no such topic."""
        self._client.poll(0)  # serves what the client has to say, which would pile up otherwise
        topic = self._client.list_topics(self._topic, timeout=TIMEOUT_SECONDS).topics[self._topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        partitions = [TopicPartition(self._topic, partition) for partition in topic.partitions]
        committed = self._committed(partitions)
        return {p.partition: self._offsets(p, committed.get(p.partition)) for p in partitions}

    def close(self) -> None:
        """End the client."""
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
