# ruff: noqa: SLF001 - librdkafka's own errors begin with an underscore
"""Sends events that cannot be handled to the dead-letter topic."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from shared.kafka import KafkaError, KafkaException, Producer
from shared.ordering import dead_letter
from shared.ordering.dead_letter import DeadLetter
from shared.ordering.events import DEAD_LETTER_TOPIC
from shared.telemetry import log

MAX_BYTES = 2 * 1024 * 1024  # the topic's limit for one record
DELIVERY_SECONDS = 5
PRODUCER_SETTINGS = {
    "message.max.bytes": MAX_BYTES,
    "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
    "linger.ms": 0,
    "queue.buffering.max.messages": 1_000,
}

logger = log.get(__name__)


class DeadLetters:
    """Sends dead letters and waits for each delivery report. For one thread.

    The producer is created when it is first needed, and replaced after a fatal error.
    """

    def __init__(self, make_producer: Callable[[], Producer]) -> None:
        self._make_producer = make_producer
        self._producer: Producer | None = None

    def send(self, letters: Sequence[DeadLetter]) -> dict[int, KafkaError]:
        """Send all letters; return the error of each that was not delivered, by its index in `letters`.

        A letter that is rejected for its size is sent without its value, and if necessary without key and headers too.
        """
        errors: dict[int, KafkaError] = {}
        remaining = dict(enumerate(letters))
        for to_record in (dead_letter.whole, dead_letter.without_value, dead_letter.bare):
            errors = self._deliver({index: to_record(letter) for index, letter in remaining.items()})
            remaining = {index: letters[index] for index, error in errors.items() if _is_size_error(error)}
            if not remaining or len(remaining) < len(errors):
                break
        return errors

    def poll(self) -> None:
        """Serve the producer's callbacks, which would pile up between calls of `send` while Kafka is unavailable."""
        if self._producer:
            try:
                self._producer.poll(0)
            except KafkaException as error:
                self._replace_if_fatal([error.args[0]])

    def close(self) -> None:
        """Release the producer; what `send` reported as delivered is safe."""
        self._producer = None

    def _deliver(self, records: dict[int, dict[str, Any]]) -> dict[int, KafkaError]:
        producer = self._producer = self._producer or self._make_producer()
        errors: dict[int, KafkaError] = {}

        def report(index: int, error: KafkaError | None, _message: object) -> None:
            if error is None:
                errors.pop(index, None)
            else:
                errors[index] = error

        for index, record in records.items():
            errors[index] = KafkaError(KafkaError._MSG_TIMED_OUT)  # stays if no delivery report arrives
            try:
                producer.produce(DEAD_LETTER_TOPIC, on_delivery=partial(report, index), **record)
            except KafkaException as error:
                errors[index] = error.args[0]
            except BufferError:
                errors[index] = KafkaError(KafkaError._QUEUE_FULL)
        raised = list(errors.values())
        try:
            producer.flush(DELIVERY_SECONDS + 1)
        except KafkaException as error:  # the client raises a fatal error here, without any callback
            raised.append(error.args[0])
        self._replace_if_fatal([*raised, *errors.values()])
        return dict(errors)

    def _replace_if_fatal(self, errors: Iterable[KafkaError]) -> None:
        if any(error.fatal() or error.code() == KafkaError._FATAL for error in errors):
            logger.error("dead_letter_producer_replaced")
            self._producer = None


def _is_size_error(error: KafkaError) -> bool:
    return bool(error.code() in {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
