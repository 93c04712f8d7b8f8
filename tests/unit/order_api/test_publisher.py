"""Delivery in trouble: a producer that refuses feeds the breaker, a broken one is replaced, and no event is lost."""

import pytest

from shared.kafka import KafkaError, KafkaException
from shared.resilience.breaker import OPEN_SECONDS
from support.outbox import Shop

UNKNOWN_TOPIC = KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


@pytest.mark.parametrize("refusal", [BufferError("Local: Queue full"), UNKNOWN_TOPIC, ZeroDivisionError()])
def test_a_refusing_producer_feeds_the_breaker_and_ends_nothing(shop: Shop, refusal: Exception) -> None:
    shop.sink.refusal = refusal
    for _ in range(6):
        shop.place()
    shop.step()
    state = shop.breaker.state
    shop.sink.refusal = None
    shop.step(OPEN_SECONDS)
    for _ in range(3):
        shop.step(2)

    assert state == "open"
    assert shop.markers() == []
    assert sorted(shop.published()) == sorted(shop.store.documents)


def test_while_the_breaker_is_open_nothing_is_claimed_and_events_wait(shop: Shop) -> None:
    shop.sink.is_up = False
    for _ in range(5):
        shop.place()
    shop.step()
    shop.sink.time_out()
    shop.place()
    shop.step(3)

    assert shop.breaker.room == 0
    assert {marker["attempts"] for marker in shop.markers()} == {0}


def test_a_fatal_error_replaces_the_producer_after_a_back_off_and_loses_nothing(shop: Shop) -> None:
    broken = shop.sink
    broken.is_up = False
    shop.place()
    shop.step()
    broken.break_down()
    shop.step()
    shop.step(0.5)
    before = len(shop.sinks)
    shop.step(0.6)
    after = len(shop.sinks)
    for _ in range(3):
        shop.step(2)

    assert (before, after) == (1, 2)
    assert broken.waiting == []
    assert shop.count("retail_kafka_producer_restarts_total") == 1
    assert shop.markers() == []
    assert len(shop.published()) == 1


def test_a_fatal_error_that_poll_raises_replaces_the_producer_and_fails_what_was_out(shop: Shop) -> None:
    shop.sink.is_up = False
    shop.place()
    shop.step()
    shop.sink.break_down()
    for _ in range(4):
        shop.step(2)

    assert len(shop.sinks) == 2
    assert len(shop.published()) == 1
    assert shop.markers() == []


def test_producers_that_break_again_and_again_are_replaced_ever_more_slowly(shop: Shop) -> None:
    pauses = []
    for _ in range(7):
        shop.sink.break_down()
        shop.step()
        made, pause = len(shop.sinks), 0.0
        while len(shop.sinks) == made:
            shop.step(0.5)
            pause += 0.5
        pauses.append(pause)

    assert pauses == [1, 2, 4, 8, 16, 20, 20]
