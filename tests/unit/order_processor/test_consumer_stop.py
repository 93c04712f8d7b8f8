"""The consumer's loop at its end: what is in hand is finished and committed, no more is taken, and time is bounded."""

from collections.abc import Callable
from typing import Any

from fakes.kafka_log import FakeTopic
from order_processor.batch import Batch
from support.consumer import ConsumerHarness, ends, fill, outage


def test_a_stop_ends_what_is_in_hand_commits_it_and_leaves(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    left = [1]

    def once(_: Batch) -> None:
        if left:
            left.pop()
            raise ConnectionError("a moment")

    harness.handler.before_handling = once
    harness.turn()
    harness.consumer.consume = _moving(harness, harness.consumer.consume)  # type: ignore[method-assign]

    harness.loop.finish(5)

    assert topic.committed == ends(topic)
    assert topic.members == []


def test_a_stop_takes_no_more_events_when_the_batch_in_hand_is_done(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage
    harness.turn()
    fill(topic, range(10, 20))
    harness.handler.before_handling = lambda _: None
    harness.consumer.consume = _moving(harness, harness.consumer.consume)  # type: ignore[method-assign]

    harness.loop.finish(5)

    assert {*harness.handler.done} == {b"%d" % n for n in range(10)}


def test_a_stop_in_an_outage_gives_up_in_time_and_commits_nothing(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage
    harness.turn()
    harness.consumer.consume = _moving(harness, harness.consumer.consume)  # type: ignore[method-assign]

    harness.loop.finish(5)

    assert topic.committed == {}
    assert topic.members == []


def _moving(harness: ConsumerHarness, consume: Callable[..., Any]) -> Callable[..., Any]:
    def moving(count: int, timeout: float) -> Any:
        harness.seconds += timeout
        return consume(count, timeout)

    return moving
