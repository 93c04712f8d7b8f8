"""Kafka clients with their fixed options: SASL_SSL, SCRAM-SHA-512, explicit commits.

No other module of the services imports confluent_kafka.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
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
    """Receives the log lines of a Kafka client, and throttles them: at most one per facility and broker in 30 s.

    Without a reachable broker, a client repeats each line about 10 times a second.
    """

    def __init__(self, throttle: log.LogThrottle) -> None:
        self._throttle = throttle

    def log(self, level: int, _template: str, facility: str, client: str, text: str) -> None:
        """Log one line; the client calls this like `logging.Logger.log`, in the thread that polls it."""
        thread = text.partition("]: ")[0]  # the text begins with the name of the client's thread, one per broker
        write = partial(logger.log, level)
        self._throttle.log(write, "kafka_client", (facility, thread), facility=facility, client=client, detail=text)


PRODUCER_QUEUE = 10_000  # the most events that may wait for a delivery report
logger = log.get(__name__)
# For a client that is always polled: its lines go to our log at the next poll, and queue up without limit until then.
WITH_CLIENT_LOG: dict[str, Any] = {"logger": ClientLog(log.LogThrottle()), "log_level": 4}
# For any other client: no log lines, because they would go to standard error as plain text. Errors reach `on_error`.
WITHOUT_CLIENT_LOG: dict[str, Any] = {"log_level": 0}


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Brokers, credentials and client id."""

    bootstrap_servers: str
    username: str
    password: str = field(repr=False)
    ca_file: Path
    client_id: str


def producer(connection: Connection, on_error: Callable[[KafkaError], None], **overrides: Any) -> Producer:
    """Return an idempotent producer with acks=all and 20 s per delivery; it partitions records as Java clients do.

    Create it after the fork: its threads do not survive a fork. `on_error` is called in the thread that polls. The
    client's log is discarded unless `overrides` contain WITH_CLIENT_LOG; the client must then always be polled.
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
            "queue.buffering.max.messages": PRODUCER_QUEUE,
            "queue.buffering.max.kbytes": 64 * 1024,
            "partitioner": "murmur2_random",
            "error_cb": on_error,
        }
        | overrides
    )


def consumer(connection: Connection, group: str, on_error: Callable[[KafkaError], None], **overrides: Any) -> Consumer:
    """Return a consumer that starts at the earliest event and commits only explicitly.

    Poll it regularly: log lines and other events of the client are queued until the next poll.
    `overrides` must contain `group.protocol`: consumer (KIP-848) or classic.
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
