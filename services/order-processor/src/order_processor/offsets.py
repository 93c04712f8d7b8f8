"""Reads from Kafka how far the topic goes, and how far the group is."""

from concurrent.futures import Future
from typing import Any

from order_processor.reconcile import Offsets, Reading
from shared.kafka import AdminClient, ConsumerGroupTopicPartitions, KafkaException, OffsetSpec, TopicPartition

TIMEOUT_SECONDS = 5.0


class GroupOffsets:
    """The offsets of one group on one topic. Safe for threads."""

    def __init__(self, admin: AdminClient, *, topic: str, group: str) -> None:
        self._admin = admin
        self._topic = topic
        self._group = group

    def read(self) -> Reading:
        """Return the offsets of every partition; raise KafkaException, also while there is no such topic."""
        topic = self._admin.list_topics(self._topic, timeout=TIMEOUT_SECONDS).topics[self._topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        partitions = [TopicPartition(self._topic, partition) for partition in topic.partitions]
        committed = self._committed(partitions)
        beginnings = self._list(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        ends = self._list(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return {p: Offsets(beginnings[p], ends[p], committed.get(p)) for p in topic.partitions}

    def _committed(self, partitions: list[TopicPartition]) -> dict[int, int]:
        request = [ConsumerGroupTopicPartitions(self._group, partitions)]
        answers = self._admin.list_consumer_group_offsets(request, request_timeout=TIMEOUT_SECONDS)
        found = _result(answers[self._group]).topic_partitions
        for partition in found:
            if partition.error:
                raise KafkaException(partition.error)
        return {partition.partition: partition.offset for partition in found if partition.offset >= 0}

    def _list(self, partitions: list[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        answers = self._admin.list_offsets(dict.fromkeys(partitions, spec), request_timeout=TIMEOUT_SECONDS)
        return {partition.partition: _result(answer).offset for partition, answer in answers.items()}


def _result(answer: Future[Any]) -> Any:
    return answer.result(timeout=TIMEOUT_SECONDS + 1)
