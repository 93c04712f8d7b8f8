"""Dead letters: each has as much of the message as fits, and describes the failure; failed deliveries are reported."""

from hashlib import sha256
from typing import Any

import pytest

from order_processor.dead_letters import DeadLetters
from shared.kafka import KafkaError, KafkaException
from shared.kafka_message import Message
from shared.ordering.dead_letter import DeadLetter, details
from shared.ordering.events import DEAD_LETTER_TOPIC, TOPIC, BrokenEvent
from support.handler import PLACED_AT, TAKEN_AT


class Producer:
    """Reports deliveries at `flush`. While `error` is set, deliveries fail with it, and `poll` raises it.

    A record above `limit` bytes is rejected: by `produce` if `rejects_itself`, otherwise in its delivery report.
    """

    def __init__(self, *, limit: int = 10_000, rejects_itself: bool = True) -> None:
        self.limit = limit
        self.rejects_itself = rejects_itself
        self.error: KafkaError | None = None
        self.sent: list[dict[str, Any]] = []
        self._reports: list[Any] = []
        self.polled = 0

    def produce(self, topic: str, *, on_delivery: Any, **record: Any) -> None:
        assert topic == DEAD_LETTER_TOPIC
        size = (
            len(record["key"] or b"") + len(record["value"] or b"") + sum(len(v or b"") for _, v in record["headers"])
        )
        error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if size > self.limit else self.error
        if error and size > self.limit and self.rejects_itself:
            raise KafkaException(error)
        if error is None:
            self.sent.append(record)
        self._reports.append(lambda: on_delivery(error, None))

    def poll(self, _seconds: float) -> int:
        self.polled += 1
        if self.error:
            raise KafkaException(self.error)
        return 0

    def flush(self, _seconds: float) -> int:
        reports, self._reports = self._reports, []
        for report in reports:
            report()
        return 0


def letter(*, value: bytes | None = b"?", key: bytes | None = b"k", headers: Any = (("ce_type", b"t"),)) -> DeadLetter:
    taken = Message(TOPIC, 3, 41, key, value, list(headers))
    return DeadLetter(taken, BrokenEvent("the value is not an order"), 2, PLACED_AT, TAKEN_AT)


def test_dead_letter_keeps_message_and_describes_failure() -> None:
    producer = Producer()

    errors = DeadLetters(lambda: producer).send([letter()])  # type: ignore[arg-type, return-value]

    assert errors == {}
    (record,) = producer.sent
    assert (record["key"], record["value"], record["headers"][0]) == (b"k", b"?", ("ce_type", b"t"))
    assert details(record["headers"]) == {
        "topic": TOPIC,
        "partition": "3",
        "offset": "41",
        "error_class": "BrokenEvent",
        "error_message": "the value is not an order",
        "attempts": "2",
        "group": "order-processor",
        "first_failure": PLACED_AT.isoformat(),
        "last_failure": TAKEN_AT.isoformat(),
    }


@pytest.mark.parametrize("rejects_itself", [True, False])
def test_oversized_dead_letter_is_sent_without_value(*, rejects_itself: bool) -> None:
    producer = Producer(rejects_itself=rejects_itself)
    big = b"x" * 20_000

    errors = DeadLetters(lambda: producer).send([letter(), letter(value=big)])  # type: ignore[arg-type, return-value]

    assert errors == {}
    assert [record["value"] for record in producer.sent] == [b"?", None]
    own_headers = details(producer.sent[1]["headers"])
    assert (own_headers["value_length"], own_headers["value_sha256"]) == ("20000", sha256(big).hexdigest())
    assert (producer.sent[1]["key"], producer.sent[1]["headers"][0]) == (b"k", ("ce_type", b"t"))


@pytest.mark.parametrize("name", ["huge", "dead_letter_huge"])
def test_oversized_key_and_headers_are_dropped(name: str) -> None:
    producer = Producer()

    errors = DeadLetters(lambda: producer).send(  # type: ignore[arg-type, return-value]
        [letter(key=b"k" * 20_000, headers=[(name, b"h" * 20_000)])]
    )

    assert errors == {}
    assert producer.sent[0]["key"] is None
    assert details(producer.sent[0]["headers"])["offset"] == "41"


def test_undelivered_dead_letters_are_reported() -> None:
    producer = Producer()
    producer.error = KafkaError(KafkaError.NOT_ENOUGH_REPLICAS)

    errors = DeadLetters(lambda: producer).send([letter(), letter()])  # type: ignore[arg-type, return-value]

    assert {place: error.code() for place, error in errors.items()} == {
        0: KafkaError.NOT_ENOUGH_REPLICAS,
        1: KafkaError.NOT_ENOUGH_REPLICAS,
    }


def test_producer_with_fatal_error_is_replaced() -> None:
    producers = [Producer(), Producer()]
    producers[0].error = KafkaError(KafkaError._FATAL, fatal=True)
    made: list[Producer] = []

    def make() -> Any:
        made.append(producers[len(made)])
        return made[-1]

    letters = DeadLetters(make)

    assert set(letters.send([letter()])) == {0}
    assert letters.send([letter()]) == {}
    assert len(made) == 2


def test_producer_with_fatal_error_on_poll_is_replaced() -> None:
    producers = [Producer(), Producer()]
    made: list[Producer] = []

    def make() -> Any:
        made.append(producers[len(made)])
        return made[-1]

    letters = DeadLetters(make)
    letters.poll()
    assert made == []  # polling creates no producer

    letters.send([letter()])
    letters.poll()
    producers[0].error = KafkaError(KafkaError._FATAL, fatal=True)
    letters.poll()

    assert producers[0].polled == 2
    assert letters.send([letter()]) == {}
    assert len(made) == 2
