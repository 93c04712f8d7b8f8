"""Producer failures: errors open the breaker, a producer with a fatal error is replaced, and no event is lost."""

import pytest
from structlog.testing import capture_logs

from order_api.publisher import Sent
from shared.kafka import KafkaError, KafkaException
from shared.resilience.breaker import OPEN_SECONDS
from support.relay import RelayHarness

UNKNOWN_TOPIC = KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


@pytest.mark.parametrize("rejection", [BufferError("Local: Queue full"), UNKNOWN_TOPIC, ZeroDivisionError()])
def test_produce_errors_open_the_breaker_and_lose_no_event(harness: RelayHarness, rejection: Exception) -> None:
    harness.producer.produce_error = lambda: rejection
    for _ in range(6):
        harness.place()
    harness.step()
    state = harness.breaker.state
    harness.producer.produce_error = lambda: None
    harness.step(OPEN_SECONDS)
    for _ in range(3):
        harness.step(2)

    assert state == "open"
    assert harness.entries() == []
    assert sorted(harness.published()) == sorted(harness.servers.primary)


def test_failed_deliveries_write_one_log_line_in_30_seconds(harness: RelayHarness) -> None:
    harness.producer.delivers_on_poll = False
    for _ in range(4):
        harness.place()
    with capture_logs() as lines:
        harness.step()
        harness.producer.time_out()
        harness.step()
    failed = [line for line in lines if line["event"] == "delivery_failed"]
    harness.clock.advance(31)
    with capture_logs() as later:
        harness.relay._publisher._log_failure(
            "delivery_failed", Sent("order", None, harness.clock.now), "_MSG_TIMED_OUT"
        )

    assert [line["suppressed"] for line in failed] == [0]
    assert [line["suppressed"] for line in later] == [3]


def test_no_outbox_entry_is_claimed_while_the_breaker_is_open(harness: RelayHarness) -> None:
    harness.producer.delivers_on_poll = False
    for _ in range(5):
        harness.place()
    harness.step()
    harness.producer.time_out()
    harness.place()
    harness.step(3)

    assert harness.breaker.available == 0
    assert {entry["attempts"] for entry in harness.entries()} == {0}


def test_fatal_error_replaces_the_producer_after_a_back_off(harness: RelayHarness) -> None:
    broken = harness.producer
    broken.delivers_on_poll = False
    harness.place()
    harness.step()
    broken.break_fatally()
    harness.step()
    harness.step(0.5)
    before = len(harness.producers)
    harness.step(0.6)
    after = len(harness.producers)
    for _ in range(3):
        harness.step(2)

    assert (before, after) == (1, 2)
    assert broken.pending == []
    assert harness.count("retail_kafka_producer_restarts_total") == 1
    assert harness.entries() == []
    assert len(harness.published()) == 1


def test_event_in_flight_at_a_fatal_error_is_published_later(harness: RelayHarness) -> None:
    harness.producer.delivers_on_poll = False
    harness.place()
    harness.step()
    harness.producer.break_fatally()
    for _ in range(4):
        harness.step(2)

    assert len(harness.producers) == 2
    assert len(harness.published()) == 1
    assert harness.entries() == []


def test_back_off_after_fatal_errors_doubles_up_to_20_seconds(harness: RelayHarness) -> None:
    pauses = []
    for _ in range(7):
        harness.producer.break_fatally()
        harness.step()
        made, pause = len(harness.producers), 0.0
        while len(harness.producers) == made:
            harness.step(0.5)
            pause += 0.5
        pauses.append(pause)

    assert pauses == [1, 2, 4, 8, 16, 20, 20]
