"""Kafka clients, made one way: SASL_SSL, SCRAM-SHA-512, explicit commits. Nothing else imports confluent_kafka."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

__all__ = [
    "OFFSET_INVALID",
    "Connection",
    "Consumer",
    "KafkaError",
    "KafkaException",
    "Message",
    "Producer",
    "TopicPartition",
    "consumer",
    "producer",
]

# Takes the client's own lines, which else go to standard error and are no JSON. They wait for a poll, without bound: so
# it is only for a client that is always polled.
LOGGER = logging.getLogger("librdkafka")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where Kafka is, and who we are there."""

    bootstrap_servers: str
    username: str
    password: str = field(repr=False)
    ca_file: Path
    client_id: str


def producer(connection: Connection, on_error: Callable[[KafkaError], None], **overrides: Any) -> Producer:
    """Return an idempotent producer, acks=all, 20 s for a delivery; a record is partitioned as Java clients do it.

    Make it after the fork: its threads do not survive one. `on_error` is called by whichever thread polls.
    """
    return Producer(
        _common(connection)
        | {
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 5,
            "delivery.timeout.ms": 20_000,
            "queue.buffering.max.messages": 10_000,
            "queue.buffering.max.kbytes": 64 * 1024,
            "partitioner": "murmur2_random",
            "error_cb": on_error,
        }
        | overrides
    )


def consumer(connection: Connection, group: str, on_error: Callable[[KafkaError], None], **overrides: Any) -> Consumer:
    """Return a consumer that starts at the earliest event, and commits only what it is told to commit.

    `group.protocol` (consumer: KIP-848, or classic) comes with `overrides`.
    """
    return Consumer(
        _common(connection)
        | {
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "check.crcs": True,
            "max.poll.interval.ms": 60_000,
            "error_cb": on_error,
            "logger": LOGGER,
        }
        | overrides
    )


def _common(connection: Connection) -> dict[str, Any]:
    return {
        "bootstrap.servers": connection.bootstrap_servers,
        "client.id": connection.client_id,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": connection.username,
        "sasl.password": connection.password,
        "ssl.ca.location": str(connection.ca_file),
        "allow.auto.create.topics": False,
        "socket.keepalive.enable": True,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 5_000,
        "topic.metadata.refresh.interval.ms": 30_000,
        "log_level": 4,
    }
