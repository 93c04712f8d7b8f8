"""The committer repeats a commit until the broker accepts it, but not after a partition was lost."""

from collections.abc import Sequence

import pytest

from order_processor.offset_committer import OffsetCommitter
from shared.kafka import KafkaError, TopicPartition
from shared.ordering.events import TOPIC


class Broker:
    """A broker that receives commits and replies to the oldest one when the test calls `answer`."""

    def __init__(self, committer: OffsetCommitter) -> None:
        self.committer = committer
        self.asked: list[dict[int, int]] = []
        self.open: list[Sequence[TopicPartition]] = []

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        self.asked.append({p.partition: p.offset for p in offsets})
        self.open.append(offsets)

    def answer(self, error: int | None = None) -> None:
        self.committer.on_commit(KafkaError(error) if error is not None else None, self.open.pop(0))


def test_failed_commit_is_repeated_with_the_newest_offset() -> None:
    seconds = [0.0]
    committer = OffsetCommitter(clock=lambda: seconds[0])
    broker = Broker(committer)
    committer.add({(TOPIC, 0): 10, (TOPIC, 1): 5})
    committer.commit(broker)
    committer.add({(TOPIC, 0): 3})  # a lower offset, as after a topic was recreated
    committer.commit(broker)
    assert broker.asked == [{0: 10, 1: 5}]

    broker.answer(KafkaError.COORDINATOR_NOT_AVAILABLE)
    committer.commit(broker)
    assert len(broker.asked) == 1  # not repeated before the back-off has passed
    seconds[0] = 2.0
    committer.commit(broker)
    assert broker.asked[1] == {0: 3, 1: 5}
    assert not committer.is_idle
    broker.answer()

    assert committer.is_idle


@pytest.mark.parametrize("error", [KafkaError.ILLEGAL_GENERATION, KafkaError.FENCED_MEMBER_EPOCH])
def test_rejected_commit_of_a_lost_partition_is_not_repeated(error: int) -> None:
    committer = OffsetCommitter(clock=lambda: 0.0)
    broker = Broker(committer)
    committer.add({(TOPIC, 0): 10})
    committer.commit(broker)

    broker.answer(error)

    assert committer.is_idle


@pytest.mark.parametrize("error", [KafkaError.STALE_MEMBER_EPOCH, KafkaError.REBALANCE_IN_PROGRESS])
def test_commit_rejected_in_rebalance_is_repeated_for_assigned_partitions(error: int) -> None:
    seconds = [0.0]
    committer = OffsetCommitter(clock=lambda: seconds[0])
    broker = Broker(committer)
    committer.add({(TOPIC, 0): 10, (TOPIC, 1): 5})
    committer.commit(broker)

    broker.answer(error)
    committer.drop([(TOPIC, 1)])
    seconds[0] = 2.0
    committer.commit(broker)

    assert broker.asked == [{0: 10, 1: 5}, {0: 10}]


def test_one_reply_does_not_finish_two_commits() -> None:
    committer = OffsetCommitter(clock=lambda: 0.0)
    broker = Broker(committer)
    committer.add({(TOPIC, 0): 10})
    committer.commit(broker)
    committer.add({(TOPIC, 0): 20})
    committer.commit_now(broker)  # as when partitions are revoked

    broker.answer()
    committer.commit(broker)
    assert broker.asked == [{0: 10}, {0: 20}]
    broker.answer()

    assert committer.is_idle
