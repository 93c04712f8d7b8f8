"""The record of a dead letter: the original key, value and headers, and additional headers that say what happened."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.kafka_message import Headers, Message
from shared.ordering.events import GROUP

PREFIX = "dead_letter_"
MAX_TEXT = 1_000  # characters of an error's message


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that cannot be handled, its last error, its attempts, and the times of its first and last failure."""

    message: Message
    error: Exception
    attempts: int
    first_failure: datetime
    last_failure: datetime


def details(headers: Headers | None) -> dict[str, str]:
    """Return the additional headers without their prefix: topic, partition, offset, error_class and so on."""
    own = ((name.removeprefix(PREFIX), value) for name, value in headers or () if name.startswith(PREFIX))
    return {name: (value or b"").decode("utf-8", "replace") for name, value in own}


def whole(letter: DeadLetter) -> dict[str, Any]:
    """Return the record to send: the original key, value and headers, and the additional headers."""
    message = letter.message
    return {"key": message.key, "value": message.value, "headers": [*message.headers, *_headers(letter)]}


def without_value(letter: DeadLetter) -> dict[str, Any]:
    """Return the record of `whole` without the value; two more headers contain the value's length and SHA-256."""
    record = bare(letter)
    return record | {"key": letter.message.key, "headers": [*letter.message.headers, *record["headers"]]}


def bare(letter: DeadLetter) -> dict[str, Any]:
    """Return the record without key, value and original headers, for a message whose key or headers are too large."""
    value = letter.message.value or b""
    digest = hashlib.sha256(value).hexdigest()
    about = [(PREFIX + "value_length", b"%d" % len(value)), (PREFIX + "value_sha256", digest.encode())]
    return {"key": None, "value": None, "headers": [*_headers(letter), *about]}


def _headers(letter: DeadLetter) -> Headers:
    return [(PREFIX + name, text.encode("utf-8", "replace")) for name, text in _own_headers(letter)]


def _own_headers(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    yield "topic", letter.message.topic
    yield "partition", str(letter.message.partition)
    yield "offset", str(letter.message.offset)
    yield "error_class", type(letter.error).__name__
    yield "error_message", str(letter.error)[:MAX_TEXT]
    yield "attempts", str(letter.attempts)
    yield "group", GROUP
    yield "first_failure", letter.first_failure.isoformat()
    yield "last_failure", letter.last_failure.isoformat()
