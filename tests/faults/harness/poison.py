"""Poison messages, which no processor can handle, and a function that writes messages to the topic."""

import random
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from local_stack.stack import Stack
from shared import kafka
from shared.ordering import events
from support.servers import connection

MARK = "fault_suite_id"
FLUSH_SECONDS = 60.0


class Record(NamedTuple):
    """A message to be written to the topic."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def poison(number: int, random_: random.Random) -> Record:
    """Return poison message `number`, which determines its kind: undecodable, unknown order, 1 MB, without key, ..."""
    order = events.OrderPlaced(str(uuid.UUID(int=random_.getrandbits(128))), "poison", "1.00", "USD", [], _now())
    key, value, headers = events.encode(order)
    marked = [*headers, (MARK, str(number).encode())]
    kinds = [
        Record(key, b"\xff\xfe{not json", marked),
        Record(key, b'{"orderid": 7}', marked),
        Record(key, value, marked),
        Record(key, b"x" * 1_000_000, marked),
        Record(key, None, marked),
        Record(None, value, marked),
        Record(key, value, marked[-1:]),
    ]
    return kinds[number % len(kinds)]


def produce(stack: Stack, records: Iterable[Record]) -> None:
    """Write messages to orders.placed with order-api's rights; return when all are delivered."""
    errors: list[Any] = []
    limit = {"message.max.bytes": 1_048_588, "queue.buffering.max.messages": 100_000}
    producer = kafka.producer(connection(stack, "order-api"), errors.append, **limit)
    for key, value, headers in records:
        producer.produce(
            events.TOPIC,
            key=key,
            value=value,
            headers=list[Any](headers),
            on_delivery=lambda error, _: errors.append(error) if error else None,
        )
        producer.poll(0)
    assert producer.flush(FLUSH_SECONDS) == 0
    assert not errors, errors[:3]


def _now() -> datetime:
    return datetime.now(UTC)
