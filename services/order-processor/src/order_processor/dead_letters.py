# ruff: noqa: SLF001 - librdkafka's own errors begin with an underscore
"""Events that nobody can handle, kept in a topic of their own with all that is known of them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from order_processor.message import Headers, Message
from shared.kafka import KafkaError, KafkaException, Producer
from shared.ordering.events import DEAD_LETTER_TOPIC, GROUP
from shared.telemetry import log

PREFIX = "dead_letter_"
MAX_BYTES = 2 * 1024 * 1024  # of a record, as the topic takes it
DELIVERY_SECONDS = 5
MAX_TEXT = 1_000  # characters of an error's message
PRODUCER_SETTINGS = {
    "message.max.bytes": MAX_BYTES,
    "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
    "linger.ms": 0,
    "queue.buffering.max.messages": 1_000,
}

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message with the reason why it cannot be handled, and when that was seen first and last."""

    message: Message
    error: Exception
    attempts: int
    first_failure: datetime
    last_failure: datetime


class DeadLetters:
    """Sends dead letters and waits for each report of delivery. For one thread.

    The producer is made at first need, and made anew after a fatal error.
    """

    def __init__(self, make_producer: Callable[[], Producer]) -> None:
        self._make_producer = make_producer
        self._producer: Producer | None = None

    def send(self, letters: Sequence[DeadLetter]) -> dict[int, KafkaError]:
        """Send all; return the error of each that has no report of delivery, by its place in `letters`.

        A letter that is refused for its size goes without its value, and if need be without key and headers too.
        """
        errors: dict[int, KafkaError] = {}
        left = dict(enumerate(letters))
        for shape in (_whole, _without_value, _bare):
            errors = self._deliver({place: shape(letter) for place, letter in left.items()})
            left = {place: letters[place] for place, error in errors.items() if _is_size(error)}
            failed = {place: error for place, error in errors.items() if not _is_size(error)}
            if failed or not left:
                break
        return errors

    def poll(self) -> None:
        """Serve what the producer has to say, which would pile up between letters while Kafka is away."""
        if self._producer:
            try:
                self._producer.poll(0)
            except KafkaException as error:
                self._replace_if_fatal([error.args[0]])

    def close(self) -> None:
        """Let go of the producer; what `send` reported as delivered is safe."""
        self._producer = None

    def _deliver(self, records: dict[int, dict[str, Any]]) -> dict[int, KafkaError]:
        producer = self._producer = self._producer or self._make_producer()
        errors: dict[int, KafkaError] = {}

        def report(place: int, error: KafkaError | None, _message: object) -> None:
            if error is None:
                errors.pop(place, None)
            else:
                errors[place] = error

        for place, record in records.items():
            errors[place] = KafkaError(KafkaError._MSG_TIMED_OUT)  # until its report comes
            try:
                producer.produce(DEAD_LETTER_TOPIC, on_delivery=partial(report, place), **record)
            except KafkaException as error:
                errors[place] = error.args[0]
            except BufferError:
                errors[place] = KafkaError(KafkaError._QUEUE_FULL)
        told = list(errors.values())
        try:
            producer.flush(DELIVERY_SECONDS + 1)
        except KafkaException as error:  # the client raises a fatal error here, and calls back nobody
            told.append(error.args[0])
        self._replace_if_fatal([*told, *errors.values()])
        return dict(errors)

    def _replace_if_fatal(self, told: Iterable[KafkaError]) -> None:
        if any(error.fatal() or error.code() == KafkaError._FATAL for error in told):
            logger.error("dead_letter_producer_replaced")
            self._producer = None


def details(headers: Headers | None) -> dict[str, str]:
    """Return what a dead letter's own headers say: topic, partition, offset, error_class and so on."""
    own = ((name.removeprefix(PREFIX), value) for name, value in headers or () if name.startswith(PREFIX))
    return {name: (value or b"").decode("utf-8", "replace") for name, value in own}


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


def _headers(letter: DeadLetter) -> Headers:
    return [(PREFIX + name, text.encode("utf-8", "replace")) for name, text in _own_headers(letter)]


def _whole(letter: DeadLetter) -> dict[str, Any]:
    message = letter.message
    return {"key": message.key, "value": message.value, "headers": [*message.headers, *_headers(letter)]}


def _without_value(letter: DeadLetter) -> dict[str, Any]:
    bare = _bare(letter)
    return bare | {"key": letter.message.key, "headers": [*letter.message.headers, *bare["headers"]]}


def _bare(letter: DeadLetter) -> dict[str, Any]:
    value = letter.message.value or b""
    digest = hashlib.sha256(value).hexdigest()
    told = [(PREFIX + "value_length", b"%d" % len(value)), (PREFIX + "value_sha256", digest.encode())]
    return {"key": None, "value": None, "headers": [*_headers(letter), *told]}


def _is_size(error: KafkaError) -> bool:
    return bool(error.code() in {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
