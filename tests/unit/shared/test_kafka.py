"""Log lines of Kafka clients are throttled and written only to the service's log."""

import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared import kafka
from shared.telemetry.log import THROTTLE_SECONDS, LogThrottle
from support.clock import Clock
from support.pki import authority


@pytest.fixture
def nowhere(tmp_path: Path) -> kafka.Connection:
    """A connection to an address on which no server listens."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority())
    return kafka.Connection(
        bootstrap_servers="127.0.0.1:1", username="u", password="p", ca_file=ca_file, client_id="tests"
    )


def poll(client: kafka.Producer | kafka.Consumer, errors: list[kafka.KafkaError], count: int) -> None:
    """Poll until the client has reported `count` errors, for 30 s at most."""
    deadline = time.monotonic() + 30
    while len(errors) < count:
        assert time.monotonic() < deadline
        client.poll(0.1)


def test_unreachable_broker_causes_one_log_line_and_no_other_output(
    nowhere: kafka.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    errors: list[kafka.KafkaError] = []
    heard = kafka.WITH_CLIENT_LOG | {"logger": kafka.ClientLog(LogThrottle())}
    with capture_logs() as lines:
        consumer = kafka.consumer(nowhere, "g", errors.append, **heard)
        consumer.subscribe(["t"])
        poll(consumer, errors, 10)
        consumer.close()

    assert [(line["event"], line["log_level"], line["facility"]) for line in lines] == [
        ("kafka_client", "error", "FAIL")
    ]
    assert "127.0.0.1:1" in lines[0]["detail"]
    assert capfd.readouterr() == ("", "")


def test_producer_without_client_log_writes_nothing(
    nowhere: kafka.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    errors: list[kafka.KafkaError] = []
    with capture_logs() as lines:
        producer = kafka.producer(nowhere, errors.append)
        producer.produce("t", b"left over")
        poll(producer, errors, 2)
        del producer

    assert lines == []
    assert capfd.readouterr() == ("", "")


def test_repeated_client_log_lines_are_throttled_and_counted() -> None:
    clock = Clock()
    heard = kafka.ClientLog(LogThrottle(clock.seconds))

    def say(facility: str, broker: int) -> None:
        heard.log(40, "%s [%s] %s", facility, "c#consumer-1", f"[thrd:host:{broker}]: after {clock.seconds()} ms")

    with capture_logs() as lines:
        for _ in range(3):
            say("FAIL", 1)
            say("FAIL", 2)
        say("FAIL", 2)
        say("REQTMOUT", 1)
        clock.advance(THROTTLE_SECONDS)
        say("FAIL", 2)
        say("FAIL", 1)
        say("FAIL", 1)

    told = [(line["facility"], line["detail"].partition("]")[0][-1], line["suppressed"]) for line in lines]
    assert told == [("FAIL", "1", 0), ("FAIL", "2", 0), ("REQTMOUT", "1", 0), ("FAIL", "2", 3), ("FAIL", "1", 2)]
