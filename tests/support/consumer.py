"""The consumer of order-processor over a topic in memory."""

from collections.abc import Callable, Sequence

from fakes.kafka_log import FakeConsumer, FakeTopic
from order_processor.batch import Batch, Disposition
from order_processor.consumer import Consumer
from order_processor.offset_committer import OffsetCommitter
from shared.ordering.events import TOPIC


class FakeHandler:
    """A handler that finishes every record, unless `before_handling` raises."""

    def __init__(self) -> None:
        self.done: list[bytes | None] = []
        self.before_handling: Callable[[Batch], None] = lambda _: None

    def handle(self, batch: Batch) -> None:
        self.before_handling(batch)
        for record in batch.pending:
            self.done.append(record.message.value)
            record.disposition = Disposition.DONE
        batch.discard_done()


class ConsumerHarness:
    """One consumer over a topic in memory. Its clock moves only when a test moves it."""

    def __init__(self, topic: FakeTopic) -> None:
        self.seconds = 100.0
        self.handler = FakeHandler()
        self.committer = OffsetCommitter(clock=lambda: self.seconds)
        self.client = FakeConsumer(topic, self.committer.on_commit)
        self.consumer = Consumer(
            self.client,
            self.handler.handle,
            self.committer,
            incremental=True,
            clock=lambda: self.seconds,
            jitter=lambda: 0.0,
        )
        self.consumer.subscribe()

    def poll(self, times: int = 1, *, each: float = 0.0) -> None:
        for _ in range(times):
            self.consumer.poll_once()
            self.seconds += each


def ten_events() -> FakeTopic:
    """Return a topic of two partitions with ten events."""
    topic = FakeTopic(TOPIC, 2)
    fill(topic, range(10))
    return topic


def fill(topic: FakeTopic, numbers: Sequence[int]) -> None:
    for number in numbers:
        topic.append(b"%d" % number, b"%d" % number, [])


def ends(topic: FakeTopic) -> dict[int, int]:
    return {number: len(events) for number, events in enumerate(topic.partitions)}


def outage(_: Batch) -> None:
    raise ConnectionError("MongoDB is unavailable")
