"""How to reach the stack's MongoDB and Kafka as one of its users."""

from pathlib import Path
from typing import Any

from local_stack import kafka_admin
from local_stack.stack import Stack
from shared import kafka


def connection(stack: Stack, user: str) -> kafka.Connection:
    """Return how to reach Kafka as `user` (a service's name or operator)."""
    values = stack.client(user)
    return kafka.Connection(
        bootstrap_servers=values["KAFKA_BOOTSTRAP_SERVERS"],
        username=values["KAFKA_USERNAME"],
        password=values["KAFKA_PASSWORD"],
        ca_file=Path(values["KAFKA_CA_FILE"]),
        client_id="fault-suite",
    )


def administrator(stack: Stack) -> Any:
    """Return Kafka's administrator, who comes in by the brokers' own door and may do everything."""
    ports, brokers = stack._ports, stack._options.brokers
    return kafka_admin.connect(
        ",".join(f"127.0.0.1:{ports.kafka_internal + n}" for n in range(brokers)),
        ca=stack._authority.certificate,
        certificate=stack._authority.issue("kafka-admin"),
    )
