"""A broken event becomes a dead letter, changes no order, and stays in flight until Kafka has the dead letter."""

from collections.abc import Callable

import pytest

from shared.kafka import KafkaError, KafkaException
from shared.kafka_message import Message
from support.handler import TAKEN_AT, HandlerHarness, document, message

SPOILED: list[tuple[str, Callable[[], Message]]] = [
    ("undecodable", lambda: message("1", value=b"\xff\xfe{")),
    ("nested too deep", lambda: message("1", value=b"[" * 100_000)),
    ("of a wrong type", lambda: message("1", value=b'{"orderid": 1}')),
    ("without a value", lambda: message("1", value=None)),
    ("without a key", lambda: message("1", key=None)),
    ("under another's key", lambda: message("1", key=b"2")),
    ("of another kind", lambda: message("1", headers=[("ce_type", b"retail.order.placed.v2")])),
    ("without headers", lambda: message("1", headers=[])),
    ("placed at no known time", lambda: _at("2026-01-02T03:04:05")),
]


def _at(time: str) -> Message:
    good = message("1")
    assert good.value
    return message("1", value=good.value.replace(b"2026-01-02T03:04:05Z", time.encode()))


@pytest.mark.parametrize("spoiled", [case[1] for case in SPOILED], ids=[case[0] for case in SPOILED])
def test_broken_event_becomes_dead_letter_and_order_is_unchanged(spoiled: Callable[[], Message]) -> None:
    harness = HandlerHarness(document("1"), document("2"))

    batch = harness.handle(spoiled(), message("2", offset=1))

    assert batch.pending == []
    assert (harness.status("1"), harness.status("2")) == ("PLACED", "PROCESSED")
    (letter,) = harness.dead_letters.sent
    assert (type(letter.error).__name__, letter.attempts) == ("BrokenEvent", 1)
    assert letter.first_failure == letter.last_failure == TAKEN_AT
    assert harness.count("retail_events_consumed_total", result="dead_letter") == 1


def test_unknown_event_fields_are_accepted() -> None:
    harness = HandlerHarness(document("1"))
    good = message("1").value
    assert good

    harness.handle(message("1", value=good[:-1] + b',"gift":true}'))

    assert harness.status("1") == "PROCESSED"


def test_event_of_unknown_order_becomes_dead_letter() -> None:
    harness = HandlerHarness(document("1"))

    batch = harness.handle(message("nobody's"), message("1", offset=1))

    assert batch.pending == []
    assert harness.status("1") == "PROCESSED"
    assert [type(letter.error).__name__ for letter in harness.dead_letters.sent] == ["UnknownOrder"]


def test_broken_event_stays_in_flight_while_its_dead_letter_fails() -> None:
    harness = HandlerHarness(document("1"))
    harness.dead_letters.error = KafkaError(KafkaError._MSG_TIMED_OUT)
    batch = harness.handle(message("1", value=b"?", offset=7), message("1", offset=8), times=0)

    with pytest.raises(KafkaException):
        harness.handler.handle(batch)
    assert harness.status("1") == "PROCESSED"
    assert batch.done == {("orders.placed", 0): 7}
    harness.dead_letters.error = None
    harness.handler.handle(batch)

    assert (batch.pending, len(harness.dead_letters.sent), harness.dead_letters.sent[0].attempts) == ([], 1, 1)
    assert batch.done == {("orders.placed", 0): 9}
