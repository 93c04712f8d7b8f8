"""What the peers that store orders share: settings from the environment, the document of an order, and a producer."""

import os
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer

ENV = os.environ
TOPIC = ENV.get("BENCH_TOPIC", "bench.orders")
MONGO: dict[str, Any] = {
    "host": ENV.get("MONGODB_URI"),
    "tlsCAFile": ENV.get("MONGODB_CA_FILE"),
    "w": "majority",
    "journal": True,
    "timeoutMS": 2_000,
    "maxPoolSize": 32,
    "minPoolSize": 32,
}
KAFKA: dict[str, Any] = {
    "bootstrap.servers": ENV.get("KAFKA_BOOTSTRAP_SERVERS"),
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": ENV.get("KAFKA_USERNAME"),
    "sasl.password": ENV.get("KAFKA_PASSWORD"),
    "ssl.ca.location": ENV.get("KAFKA_CA_FILE"),
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 5,
}


class BadOrderError(ValueError):
    """The body is not an order."""


def order(body: Any) -> dict[str, Any]:
    """Return the document to insert.

    Raise BadOrderError if a field is missing or of a wrong type, or if the user or the list of items is empty;
    ValueError if the cost is not a number.
    """
    match body:
        case {"userid": str(userid), "cost": str(cost), "orderitems": list(items)} if userid and items:
            now = datetime.now(UTC)
            return {
                "_id": str(uuid4()),
                "userid": userid,
                "cost": round(float(cost) * 100),
                "orderitems": items,
                "status": "PLACED",
                "placed_at": now,
            }
    raise BadOrderError("userid, cost and orderitems are required")


def answer(document: dict[str, Any]) -> dict[str, Any]:
    """Return the body of the response for an order's document; the event has the same content."""
    return document | {"orderid": document["_id"], "placed_at": document["placed_at"].isoformat()}


def producer() -> Producer:
    """Return a producer, polled by a thread until the process exits."""
    made = Producer(KAFKA)
    threading.Thread(target=_serve, args=(made,), name="poll", daemon=True).start()
    return made


def _serve(made: Producer) -> None:
    while True:
        made.poll(0.1)
