"""An order's trace context in its events, spans and log lines."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from support.relay import RelayHarness

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADER = [TRACE.encode()]


def test_fast_path_and_sweep_publish_the_trace_context(harness: RelayHarness) -> None:
    harness.place(traceparent=TRACE)
    harness.place(traceparent=TRACE, enqueued=False)
    harness.step()
    harness.step(6)
    harness.step()

    assert harness.traceparents() == [HEADER, HEADER]


def test_trace_context_survives_a_requeue(harness: RelayHarness) -> None:
    order_id = harness.place(traceparent=TRACE)["_id"]
    harness.step()
    harness.step(3)
    had_entry = bool(harness.entries())

    assert harness.transitions.requeue([order_id]) == 1
    harness.step(6)
    harness.step()

    assert not had_entry
    assert harness.traceparents() == [HEADER, HEADER]


def test_trace_context_survives_a_redrive(harness: RelayHarness) -> None:
    order_id = harness.place(traceparent=TRACE)["_id"]
    harness.step()
    at = harness.clock.now + timedelta(seconds=1)
    harness.transitions.fail([order_id], at=at, reason="out of stock")

    assert harness.transitions.redrive([order_id], at=at, by="operator") == 1
    harness.step(6)
    harness.step()

    assert harness.traceparents() == [HEADER, HEADER]


def test_trace_context_stored_by_an_earlier_release_is_published(harness: RelayHarness) -> None:
    order_id = harness.place(enqueued=False)["_id"]
    harness.change(order_id, {"outbox.traceparent": TRACE})
    harness.step(6)
    harness.step()

    assert harness.traceparents() == [HEADER]


def test_malformed_trace_context_in_an_order_is_ignored(harness: RelayHarness) -> None:
    order_id = harness.place(enqueued=False)["_id"]
    harness.change(order_id, {"traceparent": 7})
    harness.step(6)
    harness.step()

    assert harness.traceparents() == [[]]


def test_each_send_has_a_span_with_path_attempt_and_partition(harness: RelayHarness) -> None:
    first = harness.place(traceparent=TRACE)["_id"]
    second = harness.place(traceparent=TRACE, enqueued=False)["_id"]
    harness.step()
    harness.step(6)
    harness.step()

    sends = harness.recorder.named("send orders.placed")
    shown = [(s.attributes["retail.order.id"], s.attributes["retail.outbox.path"], s.kind, s.parent) for s in sends]
    assert shown == [(first, "fast", "client", TRACE), (second, "sweep", "client", TRACE)]
    assert [send.attributes["retail.outbox.attempt"] for send in sends] == [0, 1]
    assert [send.attributes["messaging.destination.partition.id"] for send in sends] == ["0", "0"]
    assert [send.attributes["messaging.kafka.offset"] for send in sends] == [0, 1]


def test_span_of_each_send_has_the_error_and_attempt_number(harness: RelayHarness) -> None:
    harness.place(traceparent=TRACE)
    harness.producer.delivers_on_poll = False
    harness.step()
    harness.producer.time_out()
    harness.step(6)
    harness.producer.time_out()
    harness.producer.delivers_on_poll = True
    for _ in range(4):
        harness.step(6)

    sends = harness.recorder.named("send orders.placed")
    assert [(send.error, send.attributes["retail.outbox.attempt"]) for send in sends] == [
        ("_MSG_TIMED_OUT", 0),
        ("_MSG_TIMED_OUT", 1),
        (None, 2),
    ]


def test_unrecorded_order_is_sent_without_a_span(harness: RelayHarness) -> None:
    harness.place(traceparent=TRACE[:-1] + "0")
    harness.place()
    harness.step()
    harness.step()

    assert harness.recorder.spans == []
    assert harness.traceparents() == [[TRACE[:-1].encode() + b"0"], []]


def test_log_lines_about_an_event_have_its_trace_id(harness: RelayHarness) -> None:
    unreadable = harness.place(traceparent=TRACE, enqueued=False)["_id"]
    harness.change(unreadable, {"cost": "much"})
    harness.place(traceparent=TRACE)
    harness.producer.delivers_on_poll = False
    with capture_logs() as lines:
        harness.step()
        harness.producer.time_out()
        harness.step(6)

    named = {line["event"]: line["trace_id"] for line in lines if "order_id" in line}
    assert named == dict.fromkeys(("delivery_failed", "event_encode_failed"), TRACE.split("-")[1])


@pytest.mark.parametrize("malformed", ["", "x1", TRACE[:-1]])
def test_malformed_trace_context_in_an_outbox_entry_is_ignored(harness: RelayHarness, malformed: str) -> None:
    order_id = harness.place(enqueued=False)["_id"]
    harness.change(order_id, {"outbox.traceparent": malformed})
    harness.step(6)
    harness.step()

    assert harness.published() == [order_id]
    assert harness.traceparents() == [[]]
