"""Commits: each is asked again until it is answered, and one who lost the partition is not troubled by a refusal."""

from collections.abc import Sequence

import pytest

from order_processor.offset_committer import Commits
from shared.kafka import KafkaError, TopicPartition
from shared.ordering.events import TOPIC


class Broker:
    """Takes commits, and answers when told to."""

    def __init__(self, commits: Commits) -> None:
        self.commits = commits
        self.asked: list[dict[int, int]] = []
        self.open: list[Sequence[TopicPartition]] = []

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        self.asked.append({p.partition: p.offset for p in offsets})
        self.open.append(offsets)

    def answer(self, error: int | None = None) -> None:
        self.commits.answered(KafkaError(error) if error is not None else None, self.open.pop(0))


def test_a_commit_is_asked_again_until_it_is_answered_and_the_newest_offset_counts() -> None:
    seconds = [0.0]
    commits = Commits(clock=lambda: seconds[0])
    broker = Broker(commits)
    commits.add({(TOPIC, 0): 10, (TOPIC, 1): 5})
    commits.send(broker)
    commits.add({(TOPIC, 0): 3})  # a topic made anew begins lower
    commits.send(broker)
    assert broker.asked == [{0: 10, 1: 5}]

    broker.answer(KafkaError.COORDINATOR_NOT_AVAILABLE)
    commits.send(broker)
    assert len(broker.asked) == 1  # not at once
    seconds[0] = 2.0
    commits.send(broker)
    assert broker.asked[1] == {0: 3, 1: 5}
    assert not commits.are_answered
    broker.answer()

    assert commits.are_answered


@pytest.mark.parametrize("error", [KafkaError.ILLEGAL_GENERATION, KafkaError.FENCED_MEMBER_EPOCH])
def test_a_refused_commit_of_one_who_lost_the_partition_is_no_error(error: int) -> None:
    commits = Commits(clock=lambda: 0.0)
    broker = Broker(commits)
    commits.add({(TOPIC, 0): 10})
    commits.send(broker)

    broker.answer(error)

    assert commits.are_answered


@pytest.mark.parametrize("error", [KafkaError.STALE_MEMBER_EPOCH, KafkaError.REBALANCE_IN_PROGRESS])
def test_a_commit_refused_in_a_rebalance_is_asked_again_while_the_partition_is_held(error: int) -> None:
    seconds = [0.0]
    commits = Commits(clock=lambda: seconds[0])
    broker = Broker(commits)
    commits.add({(TOPIC, 0): 10, (TOPIC, 1): 5})
    commits.send(broker)

    broker.answer(error)
    commits.drop([(TOPIC, 1)])
    seconds[0] = 2.0
    commits.send(broker)

    assert broker.asked == [{0: 10, 1: 5}, {0: 10}]


def test_the_answer_to_one_of_two_requests_is_not_taken_for_both() -> None:
    commits = Commits(clock=lambda: 0.0)
    broker = Broker(commits)
    commits.add({(TOPIC, 0): 10})
    commits.send(broker)
    commits.add({(TOPIC, 0): 20})
    commits.send_now(broker)  # as partitions are revoked

    broker.answer()
    commits.send(broker)
    assert broker.asked == [{0: 10}, {0: 20}]
    broker.answer()

    assert commits.are_answered
