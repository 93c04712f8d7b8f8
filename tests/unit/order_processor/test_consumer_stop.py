"""The consumer's loop at its end: what is in hand is finished and committed, no more is taken, and time is bounded."""

from collections.abc import Callable
from typing import Any

from fakes.kafka_log import Topic
from order_processor.batch import Batch
from support.member import Member, ends, fill, outage


def test_a_stop_ends_what_is_in_hand_commits_it_and_leaves(topic: Topic) -> None:
    member = Member(topic)
    left = [1]

    def once(_: Batch) -> None:
        if left:
            left.pop()
            raise ConnectionError("a moment")

    member.work.trouble = once
    member.turn()
    member.consumer.consume = _moving(member, member.consumer.consume)  # type: ignore[method-assign]

    member.loop.finish(5)

    assert topic.committed == ends(topic)
    assert topic.members == []


def test_a_stop_takes_no_more_events_when_the_batch_in_hand_is_done(topic: Topic) -> None:
    member = Member(topic)
    member.work.trouble = outage
    member.turn()
    fill(topic, range(10, 20))
    member.work.trouble = lambda _: None
    member.consumer.consume = _moving(member, member.consumer.consume)  # type: ignore[method-assign]

    member.loop.finish(5)

    assert {*member.work.done} == {b"%d" % n for n in range(10)}


def test_a_stop_in_an_outage_gives_up_in_time_and_commits_nothing(topic: Topic) -> None:
    member = Member(topic)
    member.work.trouble = outage
    member.turn()
    member.consumer.consume = _moving(member, member.consumer.consume)  # type: ignore[method-assign]

    member.loop.finish(5)

    assert topic.committed == {}
    assert topic.members == []


def _moving(member: Member, consume: Callable[..., Any]) -> Callable[..., Any]:
    def moving(count: int, timeout: float) -> Any:
        member.seconds += timeout
        return consume(count, timeout)

    return moving
