"""A message as a consumer received it, free of the client's types."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from shared import kafka
from shared.telemetry import trace_context

Partition = tuple[str, int]
Headers = list[tuple[str, bytes | None]]
UNREADABLE = "unreadable_headers"


@dataclass(frozen=True, slots=True)
class Message:
    """The content of a message, and its place in Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def from_client(cls, message: kafka.Message) -> Self:
        """Convert a client message that is not an error."""
        return cls(
            topic=message.topic() or "",
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            key=_bytes(message.key()),
            value=_bytes(message.value()),
            headers=_headers(message),
        )

    @property
    def traceparent(self) -> str | None:
        """The trace context in which the event was created, or None; an invalid one is ignored."""
        for name, value in self.headers:
            if name == "traceparent":
                return trace_context.parse((value or b"").decode("ascii", "replace"))
        return None

    @property
    def source(self) -> Partition:
        """Topic and partition."""
        return self.topic, self.partition


def _headers(message: kafka.Message) -> Headers:
    """Return the headers. If a name is not UTF-8, return one header instead, UNREADABLE, whose value is the error.

    The client raises SystemError for such a name, but only once: a second call returns a list that crashes its reader.
    """
    try:
        return [(name, _bytes(value)) for name, value in _pairs(message.headers())]
    except (SystemError, UnicodeError) as error:
        return [(UNREADABLE, str(error.__cause__ or error).encode())]


def _pairs(headers: object) -> Iterable[tuple[str, str | bytes | None]]:
    return headers.items() if isinstance(headers, dict) else headers or ()  # type: ignore[return-value]


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
