"""The consumer's loop: what is in hand stays in hand until it is done, and offsets are committed after that only."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from fakes.kafka_log import Consumer, Topic
from order_processor.batch import Batch, Fate
from order_processor.commits import Commits
from order_processor.consumer import Loop, settings
from shared.events import TOPIC


class Work:
    """A handler that does everything, unless `trouble` keeps it from that."""

    def __init__(self) -> None:
        self.done: list[bytes | None] = []
        self.trouble: Callable[[Batch], None] = lambda _: None

    def handle(self, batch: Batch) -> None:
        self.trouble(batch)
        for record in batch.todo:
            self.done.append(record.message.value)
            record.fate = Fate.DONE
        batch.settle()


class Member:
    """One loop over a topic in memory, with a clock that stands until it is moved."""

    def __init__(self, topic: Topic) -> None:
        self.seconds = 100.0
        self.work = Work()
        self.commits = Commits(clock=lambda: self.seconds)
        self.consumer = Consumer(topic, self.commits.answered)
        self.loop = Loop(
            self.consumer,
            self.work,
            self.commits,
            incremental=True,
            clock=lambda: self.seconds,
            jitter=lambda: 1.0,
        )
        self.loop.start()

    def turn(self, times: int = 1, *, each: float = 0.0) -> None:
        for _ in range(times):
            self.loop.turn()
            self.seconds += each


@pytest.fixture
def topic() -> Topic:
    topic = Topic(TOPIC, 2)
    fill(topic, range(10))
    return topic


def fill(topic: Topic, numbers: Sequence[int]) -> None:
    for number in numbers:
        topic.append(b"%d" % number, b"%d" % number, [])


def ends(topic: Topic) -> dict[int, int]:
    return {number: len(events) for number, events in enumerate(topic.partitions)}


def outage(_: Batch) -> None:
    raise ConnectionError("MongoDB is away")


def test_events_are_handled_and_then_committed(topic: Topic) -> None:
    member = Member(topic)

    member.turn(2)

    assert {*member.work.done} == {b"%d" % n for n in range(10)}
    assert topic.committed == ends(topic)
    assert member.loop.is_idle


def test_nothing_is_committed_while_a_part_of_the_batch_is_not_done(topic: Topic) -> None:
    member = Member(topic)
    member.work.trouble = outage

    member.turn(50, each=1)

    assert topic.committed == {}
    assert not member.loop.is_idle


def test_an_outage_pauses_longer_and_longer_up_to_thirty_seconds(topic: Topic) -> None:
    tries: list[float] = []
    member = Member(topic)

    def fail(_: Batch) -> None:
        tries.append(member.seconds)
        raise ConnectionError("MongoDB is away")

    member.work.trouble = fail
    member.turn(2000, each=0.1)

    pauses = [round(after - before, 1) for before, after in pairwise(tries)]
    assert pauses[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=0.11)
    assert max(pauses) == pytest.approx(30.0, abs=0.2)
    assert member.loop.finished_at == pytest.approx(member.seconds, abs=0.2)  # it polls on meanwhile


def test_after_an_outage_everything_goes_on_where_it_was(topic: Topic) -> None:
    member = Member(topic)
    member.work.trouble = outage
    member.turn(5, each=0.1)
    fill(topic, range(10, 20))
    member.work.trouble = lambda _: None

    member.turn(5, each=30)

    assert {*member.work.done} == {b"%d" % n for n in range(20)}
    assert len(member.work.done) == 20
    assert topic.committed == ends(topic)


def test_partitions_that_come_during_an_outage_are_paused_too(topic: Topic) -> None:
    other, member = Member(topic), Member(topic)
    member.work.trouble = outage
    member.turn()
    in_hand = len(topic.partitions[1])
    topic.leave(other.consumer)

    member.turn(3)

    assert len(member.consumer.assignment()) == 2
    assert member.loop._batch is not None
    assert len(member.loop._batch.todo) == in_hand


def test_events_of_a_revoked_partition_are_left_to_its_new_owner(topic: Topic) -> None:
    first = Member(topic)
    first.work.trouble = outage
    first.turn()
    second = Member(topic)
    second.turn()
    first.work.trouble = lambda _: None

    first.turn(3, each=30)
    second.turn(3)

    assert {*first.work.done, *second.work.done} == {b"%d" % n for n in range(10)}
    assert topic.committed == ends(topic)


def test_on_revocation_what_is_done_is_committed_and_no_more(topic: Topic) -> None:
    first = Member(topic)

    def stop_at_the_third(batch: Batch) -> None:
        moved = [record for record in batch.todo if record.message.partition == 1]
        for record in moved[:2]:
            record.fate = Fate.DONE
        batch.settle()
        raise ConnectionError("MongoDB is away")

    first.work.trouble = stop_at_the_third
    first.turn()
    Member(topic).turn()
    first.turn()

    assert topic.committed in ({}, {1: 2})
    assert first.loop.held == {(TOPIC, 0)}


def test_a_topic_made_anew_is_read_from_its_beginning_and_committed_lower_than_before(topic: Topic) -> None:
    member = Member(topic)
    member.turn(2)
    before = dict(topic.committed)
    topic.make_anew(keep_committed=True)
    fill(topic, [0, 1])

    member.turn(4)

    assert topic.committed != before
    assert all(topic.committed[number] == end for number, end in ends(topic).items() if end)


def test_a_defect_of_ours_keeps_the_events_in_hand(topic: Topic) -> None:
    member = Member(topic)

    def defect(_: Batch) -> None:
        raise AttributeError("a defect")

    member.work.trouble = defect
    member.turn(3, each=1)
    assert topic.committed == {}
    member.work.trouble = lambda _: None
    member.turn(3, each=30)

    assert topic.committed == ends(topic)


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


def test_a_turn_that_takes_long_is_no_wait_for_events(topic: Topic) -> None:
    member = Member(topic)
    seen: list[bool] = []

    def slow(_batch: Batch) -> None:
        for _ in range(3):
            seen.append(member.loop.is_busy)
            member.seconds += 10

    member.work.trouble = slow
    member.turn()

    assert seen == [False, True, True]
    assert not member.loop.is_busy


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


def test_a_session_time_is_set_only_where_the_protocol_lets_the_client_choose_it() -> None:
    assert "session.timeout.ms" not in settings("consumer")
    assert settings("classic")["session.timeout.ms"] == 10_000
