"""Kafka clients, made one way: SASL_SSL, SCRAM-SHA-512, explicit commits. Nothing else imports confluent_kafka."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from shared.telemetry import log

__all__ = [
    "WITH_CLIENT_LOG",
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


class ClientLog:
    """Takes the lines that a client writes of itself: of one kind, facility and broker, one in 30 s is let through.

    A client that reaches no broker repeats itself about 10 times a second for each.
    """

    def __init__(self, throttle: log.LogThrottle) -> None:
        self._throttle = throttle

    def log(self, level: int, _template: str, facility: str, client: str, text: str) -> None:
        """Be called by the client, in the place of a `logging.Logger`, by whichever thread polls it."""
        thread = text.partition("]: ")[0]  # librdkafka has one for each broker, and names it first
        suppressed = self._throttle.allow((facility, thread))
        if suppressed is not None:
            logger.log(level, "kafka_client", facility=facility, client=client, detail=text, suppressed=suppressed)


logger = log.get(__name__)
# For a client that is always polled: its lines go to our log, and wait for a poll, without bound.
WITH_CLIENT_LOG: dict[str, Any] = {"logger": ClientLog(log.LogThrottle()), "log_level": 4}
# For any other: its lines would go to standard error, and are no JSON. Errors reach `on_error` all the same.
WITHOUT_CLIENT_LOG: dict[str, Any] = {"log_level": 0}


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

    Make it after the fork: its threads do not survive one. `on_error` is called by whichever thread polls. What the
    client says of itself is lost, unless it is always polled and gets WITH_CLIENT_LOG.
    """
    return Producer(
        _common(connection)
        | WITHOUT_CLIENT_LOG
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
    """Return a consumer that starts at the earliest event, and commits only what it is told to commit. Always poll it.

    `group.protocol` (consumer: KIP-848, or classic) comes with `overrides`.
    """
    return Consumer(
        _common(connection)
        | WITH_CLIENT_LOG
        | {
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "check.crcs": True,
            "max.poll.interval.ms": 60_000,
            "error_cb": on_error,
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
    }
