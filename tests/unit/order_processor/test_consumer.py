"""The consumer's loop: what is in hand stays in hand until it is done, and offsets are committed after that only."""

from itertools import pairwise

import pytest

from fakes.kafka_log import FakeTopic
from order_processor.batch import Batch, Fate
from order_processor.consumer import settings
from shared.ordering.events import TOPIC
from support.consumer import ConsumerHarness, ends, fill, outage


def test_events_are_handled_and_then_committed(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)

    harness.turn(2)

    assert {*harness.handler.done} == {b"%d" % n for n in range(10)}
    assert topic.committed == ends(topic)
    assert harness.loop.is_idle


def test_nothing_is_committed_while_a_part_of_the_batch_is_not_done(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage

    harness.turn(50, each=1)

    assert topic.committed == {}
    assert not harness.loop.is_idle


def test_an_outage_pauses_longer_and_longer_up_to_thirty_seconds(topic: FakeTopic) -> None:
    tries: list[float] = []
    harness = ConsumerHarness(topic)

    def fail(_: Batch) -> None:
        tries.append(harness.seconds)
        raise ConnectionError("MongoDB is away")

    harness.handler.before_handling = fail
    harness.turn(2000, each=0.1)

    pauses = [round(after - before, 1) for before, after in pairwise(tries)]
    assert pauses[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=0.11)
    assert max(pauses) == pytest.approx(30.0, abs=0.2)
    assert harness.loop.finished_at == pytest.approx(harness.seconds, abs=0.2)  # it polls on meanwhile


def test_after_an_outage_everything_goes_on_where_it_was(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage
    harness.turn(5, each=0.1)
    fill(topic, range(10, 20))
    harness.handler.before_handling = lambda _: None

    harness.turn(5, each=30)

    assert {*harness.handler.done} == {b"%d" % n for n in range(20)}
    assert len(harness.handler.done) == 20
    assert topic.committed == ends(topic)


def test_partitions_that_come_during_an_outage_are_paused_too(topic: FakeTopic) -> None:
    other, harness = ConsumerHarness(topic), ConsumerHarness(topic)
    harness.handler.before_handling = outage
    harness.turn()
    in_hand = len(topic.partitions[1])
    topic.leave(other.consumer)

    harness.turn(3)

    assert len(harness.consumer.assignment()) == 2
    assert harness.loop._batch is not None
    assert len(harness.loop._batch.todo) == in_hand


def test_events_of_a_revoked_partition_are_left_to_its_new_owner(topic: FakeTopic) -> None:
    first = ConsumerHarness(topic)
    first.handler.before_handling = outage
    first.turn()
    second = ConsumerHarness(topic)
    second.turn()
    first.handler.before_handling = lambda _: None

    first.turn(3, each=30)
    second.turn(3)

    assert {*first.handler.done, *second.handler.done} == {b"%d" % n for n in range(10)}
    assert topic.committed == ends(topic)


def test_on_revocation_what_is_done_is_committed_and_no_more(topic: FakeTopic) -> None:
    first = ConsumerHarness(topic)

    def stop_at_the_third(batch: Batch) -> None:
        moved = [record for record in batch.todo if record.message.partition == 1]
        for record in moved[:2]:
            record.fate = Fate.DONE
        batch.settle()
        raise ConnectionError("MongoDB is away")

    first.handler.before_handling = stop_at_the_third
    first.turn()
    ConsumerHarness(topic).turn()
    first.turn()

    assert topic.committed in ({}, {1: 2})
    assert first.loop.held == {(TOPIC, 0)}


def test_a_topic_made_anew_is_read_from_its_beginning_and_committed_lower_than_before(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.turn(2)
    before = dict(topic.committed)
    topic.recreate(keep_committed=True)
    fill(topic, [0, 1])

    harness.turn(4)

    assert topic.committed != before
    assert all(topic.committed[number] == end for number, end in ends(topic).items() if end)


def test_a_defect_of_ours_keeps_the_events_in_hand(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)

    def defect(_: Batch) -> None:
        raise AttributeError("a defect")

    harness.handler.before_handling = defect
    harness.turn(3, each=1)
    assert topic.committed == {}
    harness.handler.before_handling = lambda _: None
    harness.turn(3, each=30)

    assert topic.committed == ends(topic)


def test_a_turn_that_takes_long_is_no_wait_for_events(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    seen: list[bool] = []

    def slow(_batch: Batch) -> None:
        for _ in range(3):
            seen.append(harness.loop.is_busy)
            harness.seconds += 10

    harness.handler.before_handling = slow
    harness.turn()

    assert seen == [False, True, True]
    assert not harness.loop.is_busy


def test_a_session_time_is_set_only_where_the_protocol_lets_the_client_choose_it() -> None:
    assert "session.timeout.ms" not in settings("consumer")
    assert settings("classic")["session.timeout.ms"] == 10_000
