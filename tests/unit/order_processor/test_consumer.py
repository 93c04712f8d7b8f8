"""The poll loop: events stay in flight until they are handled, and only then are their offsets committed."""

from itertools import pairwise

import pytest

from fakes.kafka_log import CONTROL_RECORD, FakeTopic
from order_processor.batch import Batch, Disposition
from order_processor.consumer import POLL_SECONDS, client_config
from shared.ordering.events import TOPIC
from support.consumer import ConsumerHarness, ends, fill, outage


def test_handled_events_have_their_offsets_committed(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)

    harness.poll(2)

    assert {*harness.handler.done} == {b"%d" % n for n in range(10)}
    assert topic.committed == ends(topic)
    assert harness.consumer.is_idle


def test_unfinished_batch_commits_nothing(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage

    harness.poll(50, each=1)

    assert topic.committed == {}
    assert not harness.consumer.is_idle


def test_pauses_in_an_outage_double_up_to_thirty_seconds(topic: FakeTopic) -> None:
    attempts: list[float] = []
    harness = ConsumerHarness(topic)

    def fail(_: Batch) -> None:
        attempts.append(harness.seconds)
        raise ConnectionError("MongoDB is unavailable")

    harness.handler.before_handling = fail
    harness.poll(2000, each=0.1)

    pauses = [round(after - before, 1) for before, after in pairwise(attempts)]
    assert pauses[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=0.11)
    assert max(pauses) == pytest.approx(30.0, abs=0.2)
    # the consumer went on polling during the pauses
    assert harness.consumer.last_poll_at == pytest.approx(harness.seconds, abs=0.2)


def test_consumption_continues_after_outage(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage
    harness.poll(5, each=0.1)
    fill(topic, range(10, 20))
    harness.handler.before_handling = lambda _: None

    harness.poll(5, each=30)

    assert {*harness.handler.done} == {b"%d" % n for n in range(20)}
    assert len(harness.handler.done) == 20
    assert topic.committed == ends(topic)


def test_partitions_assigned_during_outage_are_paused(topic: FakeTopic) -> None:
    other, harness = ConsumerHarness(topic), ConsumerHarness(topic)
    harness.handler.before_handling = outage
    harness.poll()
    in_flight = len(topic.partitions[1])
    topic.leave(other.client)

    harness.poll(3)

    assert len(harness.client.assignment()) == 2
    assert harness.consumer._batch is not None
    assert len(harness.consumer._batch.pending) == in_flight


def test_revoked_partition_is_left_to_its_new_owner(topic: FakeTopic) -> None:
    first = ConsumerHarness(topic)
    first.handler.before_handling = outage
    first.poll()
    second = ConsumerHarness(topic)
    second.poll()
    first.handler.before_handling = lambda _: None

    first.poll(3, each=30)
    second.poll(3)

    assert {*first.handler.done, *second.handler.done} == {b"%d" % n for n in range(10)}
    assert topic.committed == ends(topic)


def test_revocation_commits_only_offsets_of_finished_events(topic: FakeTopic) -> None:
    first = ConsumerHarness(topic)

    def stop_at_the_third(batch: Batch) -> None:
        moved = [record for record in batch.pending if record.message.partition == 1]
        for record in moved[:2]:
            record.disposition = Disposition.DONE
        batch.discard_done()
        raise ConnectionError("MongoDB is unavailable")

    first.handler.before_handling = stop_at_the_third
    first.poll()
    ConsumerHarness(topic).poll()
    first.poll()

    assert topic.committed in ({}, {1: 2})
    assert first.consumer.assigned == {(TOPIC, 0)}


def test_recreated_topic_is_read_from_its_beginning(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.poll(2)
    before = dict(topic.committed)
    topic.recreate(keep_committed=True)
    fill(topic, [0, 1])

    harness.poll(4)

    assert topic.committed != before
    assert all(topic.committed[number] == end for number, end in ends(topic).items() if end)


def test_end_offset_after_control_records_is_committed_once(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    for events in topic.partitions:
        events.append(CONTROL_RECORD)
    commits: list[str] = []
    topic.on_call = commits.append

    harness.poll(5, each=2)

    assert len(harness.handler.done) == 10
    assert topic.committed == ends(topic)
    assert all(offsets.lag == 0 for offsets in topic.read().values())
    assert commits.count("commit") == 1


def test_new_consumer_commits_the_end_offset_after_control_records(topic: FakeTopic) -> None:
    ConsumerHarness(topic).poll(2)
    (first,) = topic.members
    topic.leave(first)
    topic.partitions[0] += [CONTROL_RECORD] * 3

    ConsumerHarness(topic).poll(2)

    assert topic.committed == ends(topic)


def test_end_offset_is_committed_only_after_the_events_before_it(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    harness.handler.before_handling = outage
    topic.partitions[0].append(CONTROL_RECORD)

    harness.poll(20, each=1)

    assert topic.committed == {}


def test_unexpected_error_keeps_events_in_flight(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)

    def defect(_: Batch) -> None:
        raise AttributeError("a defect")

    harness.handler.before_handling = defect
    harness.poll(3, each=1)
    assert topic.committed == {}
    harness.handler.before_handling = lambda _: None
    harness.poll(3, each=30)

    assert topic.committed == ends(topic)


def test_consumer_reports_busy_during_long_handling(topic: FakeTopic) -> None:
    harness = ConsumerHarness(topic)
    seen: list[bool] = []

    def slow(_batch: Batch) -> None:
        for _ in range(3):
            seen.append(harness.consumer.is_busy)
            harness.seconds += 10

    harness.handler.before_handling = slow
    harness.poll()

    assert seen == [False, True, True]
    assert not harness.consumer.is_busy


def test_session_timeout_is_set_only_for_the_classic_protocol() -> None:
    assert client_config("consumer")["enable.partition.eof"] is True
    assert "session.timeout.ms" not in client_config("consumer")
    assert client_config("classic")["session.timeout.ms"] == 10_000


def test_broker_waits_for_events_at_most_half_the_poll_time() -> None:
    config = client_config("consumer")

    assert config["fetch.min.bytes"] > 1
    assert config["fetch.wait.max.ms"] <= 1000 * POLL_SECONDS / 2
