"""The trace context of an order in all copies of its event."""

from datetime import timedelta

import pytest

from support.relay import RelayHarness

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADER = [TRACE.encode()]


@pytest.fixture
def harness() -> RelayHarness:
    return RelayHarness()


def test_trace_context_is_published_on_the_fast_path_and_by_the_sweep(harness: RelayHarness) -> None:
    harness.place(traceparent=TRACE)
    harness.place(traceparent=TRACE, enqueued=False)
    harness.step()
    harness.step(3)
    harness.step()

    assert harness.traceparents() == [HEADER, HEADER]


def test_trace_context_survives_a_requeue(harness: RelayHarness) -> None:
    order_id = harness.place(traceparent=TRACE)["_id"]
    harness.step()
    harness.step(1)
    had_entry = bool(harness.entries())

    assert harness.transitions.requeue([order_id]) == 1
    harness.step(3)
    harness.step()

    assert not had_entry
    assert harness.traceparents() == [HEADER, HEADER]


def test_trace_context_survives_a_redrive(harness: RelayHarness) -> None:
    order_id = harness.place(traceparent=TRACE)["_id"]
    harness.step()
    at = harness.clock.now + timedelta(seconds=1)
    harness.transitions.fail([order_id], at=at, reason="out of stock")

    assert harness.transitions.redrive([order_id], at=at, by="operator") == 1
    harness.step(3)
    harness.step()

    assert harness.traceparents() == [HEADER, HEADER]


def test_entry_of_an_earlier_release_has_the_trace_context(harness: RelayHarness) -> None:
    order_id = harness.place(enqueued=False)["_id"]
    harness.change(order_id, {"outbox.traceparent": TRACE})
    harness.step(3)
    harness.step()

    assert harness.traceparents() == [HEADER]


def test_malformed_trace_context_of_an_order_is_ignored(harness: RelayHarness) -> None:
    order_id = harness.place(enqueued=False)["_id"]
    harness.change(order_id, {"traceparent": 7})
    harness.step(3)
    harness.step()

    assert harness.traceparents() == [[]]
