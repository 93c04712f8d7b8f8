"""Export of spans to a collector that accepts, rejects, hangs or is down."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.telemetry.otlp import BATCH, LINKS, QUEUE_LIMIT, OtlpRecorder
from support.otlp_receiver import OtlpReceiver, receiver
from support.wait import until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    with receiver() as running:
        yield running


def recorder(endpoint: str, ca_file: Path | None = None) -> OtlpRecorder:
    return OtlpRecorder(endpoint, headers={"api-key": "k"}, ca_file=ca_file, service="order-api", version="1")


def record(to: OtlpRecorder, count: int = 1) -> None:
    for _ in range(count):
        to.start("send", "client", parent=PARENT, attributes={"a": 1}, links=[], at=None).end({"b": "x"})


def stop_in_time(running: OtlpRecorder) -> bool:
    """Close the recorder; return whether that takes less than 20 s."""
    closing = threading.Thread(target=running.close, daemon=True)
    closing.start()
    closing.join(20)
    return not closing.is_alive()


def test_spans_are_exported_with_ids_times_attributes_and_links(collector: OtlpReceiver) -> None:
    running = recorder(collector.endpoint)
    span = running.start("batch", "consumer", parent=None, attributes={"a": 1}, links=[PARENT], at=5)
    span.end({"b": "x"}, error="OSError", at=7)
    before = time.time_ns()
    child = running.start("send", "client", parent=span.traceparent, attributes=None, links=[PARENT] * 200, at=None)
    child.end()
    after = time.time_ns()
    running.close()

    first, second = collector.spans
    assert (first.service, first.name, first.kind, first.parent, first.has_failed) == (
        "order-api",
        "batch",
        "consumer",
        "",
        True,
    )
    assert (first.start, first.end, first.links) == (5, 7, (PARENT.split("-")[1],))
    assert first.attributes == {"a": 1, "b": "x", "error.type": "OSError"}
    assert (second.trace_id, second.parent, second.has_failed) == (first.trace_id, first.span_id, False)
    assert (second.kind, len(second.links), second.scope) == ("client", LINKS, "retail-orders")
    assert (first.has_remote_parent, second.has_remote_parent) == (False, True)
    assert before <= second.start <= second.end <= after
    assert span.traceparent.split("-")[1:3] == [first.trace_id, first.span_id]
    assert collector.headers[0]["api-key"] == "k"


def test_missing_collector_causes_one_warning_and_does_not_block_stop() -> None:
    with socket.socket() as reserved:  # bound but not listening, so that connections are refused
        reserved.bind(("127.0.0.1", 0))
        running = recorder(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        with capture_logs() as lines:
            record(running)
            until(lambda: lines, "the first failed export")
            record(running, BATCH)
            assert stop_in_time(running)

    assert [line["event"] for line in lines] == ["trace_export_failed"]


def test_rejected_export_logs_one_warning_and_writes_nothing_to_stderr(
    collector: OtlpReceiver, capfd: pytest.CaptureFixture[str]
) -> None:
    collector.status = 400
    running = recorder(collector.endpoint)
    with capture_logs() as lines:
        record(running)
        until(lambda: lines, "the failed export")
        assert stop_in_time(running)

    assert [(line["event"], line["log_level"]) for line in lines] == [("trace_export_failed", "warning")]
    assert capfd.readouterr().err == ""


def test_hanging_collector_does_not_block_stop_and_queue_stays_bounded(collector: OtlpReceiver) -> None:
    collector.released.clear()
    running = recorder(collector.endpoint)
    record(running)
    until(lambda: collector.requests, "the first export")
    record(running, 2 * QUEUE_LIMIT)
    waiting = len(running._processor._batch_processor._queue)

    assert stop_in_time(running)
    assert not collector.released.is_set()
    assert waiting == QUEUE_LIMIT
