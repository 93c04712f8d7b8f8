"""On close, the consumer finishes and commits the batch in flight, within a time limit."""

from collections.abc import Callable
from typing import Any

from fakes.kafka_log import FakeTopic
from order_processor.batch import Batch
from support.consumer import ConsumerHarness, ends, fill, outage


def test_close_finishes_and_commits_the_batch_in_flight(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    left = [1]

    def once(_: Batch) -> None:
        if left:
            left.pop()
            raise ConnectionError("MongoDB is unavailable")

    harness.handler.before_handling = once
    harness.poll()
    harness.client.consume = _moving(harness, harness.client.consume)  # type: ignore[method-assign]

    harness.consumer.close(5)

    assert topic.committed == ends(topic)
    assert topic.members == []


def test_close_receives_no_more_events(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage
    harness.poll()
    fill(topic, range(10, 20))
    harness.handler.before_handling = lambda _: None
    harness.client.consume = _moving(harness, harness.client.consume)  # type: ignore[method-assign]

    harness.consumer.close(5)

    assert {*harness.handler.done} == {b"%d" % n for n in range(10)}


def test_close_during_outage_stops_at_deadline_without_commit(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage
    harness.poll()
    harness.client.consume = _moving(harness, harness.client.consume)  # type: ignore[method-assign]

    harness.consumer.close(5)

    assert topic.committed == {}
    assert topic.members == []


def _moving(harness: ConsumerHarness, consume: Callable[..., Any]) -> Callable[..., Any]:
    def moving(count: int, timeout: float) -> Any:
        harness.seconds += timeout
        return consume(count, timeout)

    return moving
