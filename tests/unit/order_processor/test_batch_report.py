"""What a batch reports: one log line, one span, and a span for each order whose trace is recorded."""

import pytest
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from fakes.replica_set import Failure
from shared.telemetry.trace_context import trace_id
from support.handler import HandlerHarness, document, message

TRACES = [f"00-{n:032x}-{n:016x}-01" for n in range(1, 5)]
UNRECORDED = TRACES[3][:-1] + "0"


def test_recorded_orders_get_a_span_in_their_own_trace() -> None:
    harness = HandlerHarness(document("1"), document("2"))
    harness.handle(
        message("1", traceparent=TRACES[0], offset=7, partition=3),
        message("2", "poison", traceparent=TRACES[1]),
        message("1", traceparent=TRACES[0], offset=8),
        message("absent", traceparent=TRACES[2]),
    )

    spans = harness.recorder.named("process orders.placed")
    assert [(span.parent, span.attributes["retail.result"], span.error) for span in spans] == [
        (TRACES[0], "processed", None),
        (TRACES[1], "failed", None),
        (TRACES[0], "duplicate", None),
        (TRACES[2], "dead_letter", "UnknownOrder"),
    ]
    assert spans[0].attributes == {
        "messaging.system": "kafka",
        "messaging.destination.name": "orders.placed",
        "messaging.consumer.group.name": "order-processor",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 7,
        "retail.order.id": "1",
        "retail.result": "processed",
    }
    assert spans[0].started is not None
    assert spans[0].ended is not None
    assert spans[0].started <= spans[0].ended


def test_batch_gets_one_span_that_links_to_its_recorded_orders() -> None:
    harness = HandlerHarness(document("1"), document("2"), document("3"))
    harness.handle(
        message("1", traceparent=TRACES[0]), message("2", traceparent=UNRECORDED), message("3", traceparent=TRACES[2])
    )

    (batch,) = harness.recorder.named("process batch orders.placed")
    assert (batch.parent, batch.links) == (None, [TRACES[0], TRACES[2]])
    assert batch.attributes["messaging.batch.message_count"] == 3


def test_batch_without_recorded_order_creates_no_span() -> None:
    harness = HandlerHarness(document("1"), document("2"))
    harness.handle(message("1", traceparent=UNRECORDED), message("2"))

    assert harness.recorder.spans == []


def test_outage_fails_the_batch_span_and_creates_no_order_spans() -> None:
    harness = HandlerHarness(document("1"))
    harness.servers.before_operation = lambda _: Failure.NO_PRIMARY
    with pytest.raises(AutoReconnect):
        harness.handle(message("1", traceparent=TRACES[0]))

    (batch,) = harness.recorder.spans
    assert (batch.name, batch.is_ended, batch.links) == ("process batch orders.placed", True, [TRACES[0]])
    assert batch.error is not None


def test_batch_writes_one_log_line_with_counts() -> None:
    harness = HandlerHarness(document("1"), document("2"))
    with capture_logs() as lines:
        harness.handle(message("1", traceparent=TRACES[0]), message("1"), message("2"))

    (line,) = (line for line in lines if line["event"] == "batch_handled")
    (batch,) = harness.recorder.named("process batch orders.placed")
    assert line == {
        "event": "batch_handled",
        "log_level": "info",
        "events": 3,
        "processed": 2,
        "duplicate": 1,
        "duration_ms": line["duration_ms"],
        "trace_id": batch.trace_id,
    }


def test_log_lines_about_an_order_have_its_trace_id() -> None:
    harness = HandlerHarness(document("1"))
    with capture_logs() as lines:
        harness.handle(message("1", "poison", traceparent=TRACES[0]), message("absent", traceparent=UNRECORDED))

    named = {line["event"]: line["trace_id"] for line in lines if "order_id" in line}
    assert named == {"order_failed": trace_id(TRACES[0]), "dead_letter": trace_id(UNRECORDED)}


def test_latency_of_a_recorded_order_has_an_exemplar() -> None:
    harness = HandlerHarness(document("1"), document("2"))
    harness.handle(message("1", traceparent=TRACES[0]))
    harness.handle(message("2", traceparent=UNRECORDED))

    (family,) = (f for f in harness.registry.collect() if f.name == "retail_order_processing_seconds")
    exemplars = [sample.exemplar for sample in family.samples if sample.exemplar]
    assert [exemplar.labels for exemplar in exemplars] == [{"trace_id": trace_id(TRACES[0])}]
