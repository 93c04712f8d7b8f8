"""Reads topics from beginning to end with the rights of the operator, and recreates them."""

import json
import time
import uuid
from typing import Any

from faults.harness.checker import Event
from local_stack import kafka_admin
from local_stack.stack import Stack
from shared import kafka
from shared.ordering.events import TOPIC
from support.servers import connection

TIMEOUT = 15.0
READ_SECONDS = 60.0


def events(stack: Stack) -> list[Event]:
    """Return every event in orders.placed that names an order and its user; skip other messages."""
    found = []
    for message in messages(stack, TOPIC):
        try:
            value = json.loads(message.value() or b"")
            found.append(Event(value["orderid"], value["userid"], *place(message)))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def messages(stack: Stack, topic: str) -> list[kafka.Message]:
    """Return the messages of a topic, up to the end offsets at the time of the call."""
    group = f"retail-faults-{uuid.uuid4().hex}"
    consumer = kafka.consumer(connection(stack, "operator"), group, lambda _: None, **{"enable.partition.eof": False})
    try:
        metadata = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic]
        ends: dict[int, int] = {}
        starts = []
        for partition in metadata.partitions:
            low, high = consumer.get_watermark_offsets(kafka.TopicPartition(topic, partition), timeout=TIMEOUT)
            if high > low:
                ends[partition] = high
                starts.append(kafka.TopicPartition(topic, partition, low))
        consumer.assign(starts)
        return _read(consumer, ends)
    finally:
        consumer.close()


def headers(message: kafka.Message) -> list[tuple[str, bytes | None]]:
    """Return the message's headers."""
    found: Any = message.headers() or []
    return list(found)


def place(message: kafka.Message) -> tuple[int, int]:
    """Return the partition and offset of a message."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _read(consumer: kafka.Consumer, ends: dict[int, int]) -> list[kafka.Message]:
    found: list[kafka.Message] = []
    deadline = time.monotonic() + READ_SECONDS
    while ends:
        for message in consumer.consume(1000, timeout=0.5):
            if message.error():
                continue
            found.append(message)
            partition, offset = place(message)
            if offset + 1 >= ends.get(partition, 0):
                ends.pop(partition, None)
        if time.monotonic() > deadline:
            raise TimeoutError(f"the topic was not read to these end offsets of its partitions in time: {ends}")
    return found


def leader(stack: Stack, topic: str, partition: int = 0) -> str:
    """Return the name of the broker that leads the partition, or an empty string if no leader is known."""
    consumer = kafka.consumer(connection(stack, "operator"), "retail-faults-leader", lambda _: None)
    try:
        found = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions[partition].leader
    except kafka.KafkaException:
        return ""
    finally:
        consumer.close()
    return f"kafka-{found}" if found >= 0 else ""


def recreate(stack: Stack, topic: str) -> None:
    """Delete the topic with its events, and create it again, empty, from its definition."""
    admin = _administrator(stack)  # a variable, because the future needs its client to stay alive
    admin.delete_topics([topic], operation_timeout=TIMEOUT)[topic].result(TIMEOUT)
    stack._kafka.prepare()


def _administrator(stack: Stack) -> Any:
    """Return an administrator on the brokers' internal listener, which has all rights."""
    ports, brokers = stack._ports, stack._options.brokers
    return kafka_admin.connect(
        ",".join(f"127.0.0.1:{ports['kafka-internal'] + n}" for n in range(brokers)),
        ca=stack._authority.certificate,
        certificate=stack._authority.issue("kafka-admin"),
    )
