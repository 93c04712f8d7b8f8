"""A Kafka topic and a consumer group in memory, for the real publisher, consumer and dead letters.

A test decides when an event is appended, when its delivery report arrives, which member owns which partition, and when
the topic is deleted and created again.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from shared.kafka import KafkaError, KafkaException, TopicPartition
from shared.ordering.offsets import Offsets, Reading

Headers = list[tuple[str, bytes]]


class FakeMessage(NamedTuple):
    """A message in a partition, with the accessors of confluent_kafka.Message."""

    of_topic: str
    of_partition: int
    at: int
    with_key: bytes | None
    with_value: bytes | None
    with_headers: Headers

    def topic(self) -> str:
        return self.of_topic

    def partition(self) -> int:
        return self.of_partition

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.with_key

    def value(self) -> bytes | None:
        return self.with_value

    def headers(self) -> Headers:
        return self.with_headers

    def timestamp(self) -> tuple[int, int]:
        return (0, 0)

    def error(self) -> None:
        return None


class FakeEnd(NamedTuple):
    """The error message that the client returns at the end of a partition (_PARTITION_EOF)."""

    of_topic: str
    of_partition: int
    at: int

    def topic(self) -> str:
        return self.of_topic

    def partition(self) -> int:
        return self.of_partition

    def offset(self) -> int:
        return self.at

    def error(self) -> KafkaError:
        return KafkaError(KafkaError._PARTITION_EOF)


# a transaction marker: it occupies an offset, but the client never returns it
CONTROL_RECORD = FakeMessage("", -1, -1, None, None, [])


class FakeTopic:
    """A topic's partitions, and the group's members and committed offsets."""

    def __init__(self, name: str, partitions: int = 2) -> None:
        self.name = name
        self.partitions: list[list[FakeMessage]] = [[] for _ in range(partitions)]
        self.committed: dict[int, int] = {}
        self.returned: set[tuple[int, int]] = set()  # (partition, offset) of each message that a member has read
        self.was_recreated = False
        self.members: list[FakeConsumer] = []
        self.all_keys: set[str] = set()  # keys of all messages that were ever appended
        self.on_call: Callable[[str], None] = lambda _: None  # called before each commit and offset read; may raise
        self.error: KafkaError | None = None  # if set, commits and offset reads fail with it

    def append(self, key: bytes | None, value: bytes | None, headers: Headers) -> FakeMessage:
        """Append an event to its key's partition, and return it."""
        number = zlib.crc32(key or b"") % len(self.partitions)
        event = FakeMessage(self.name, number, len(self.partitions[number]), key, value, headers)
        self.partitions[number].append(event)
        self.all_keys.add((key or b"").decode())
        return event

    def recreate(self, *, keep_committed: bool) -> None:
        """Delete the topic and create it again, empty: every member loses its partitions, and gets them again."""
        self.partitions = [[] for _ in self.partitions]
        self.returned.clear()
        self.was_recreated = True
        if not keep_committed:
            self.committed.clear()
        for member in self.members:
            member.lose_partitions()

    def join(self, member: "FakeConsumer") -> None:
        """Add a member and rebalance; a member that keeps a partition continues at its position."""
        self.members.append(member)
        self._share()

    def leave(self, member: "FakeConsumer") -> None:
        """Remove a member that has left, was killed or polled too late, and rebalance."""
        if member in self.members:
            self.members.remove(member)
            self._share()

    def assigned(self) -> set[int]:
        """Return the partitions that any member owns now."""
        return {number for member in self.members for number in member.positions}

    def read(self) -> Reading:
        """Return the offsets of every partition, as `offsets.GroupOffsets` does."""
        self.on_call("read offsets")
        if self.error:
            raise KafkaException(self.error)
        return {n: Offsets(0, len(events), self.committed.get(n)) for n, events in enumerate(self.partitions)}

    def _share(self) -> None:
        for place, member in enumerate(self.members):
            member.assign({n for n in range(len(self.partitions)) if n % len(self.members) == place})


class FakeConsumer:
    """A member of the consumer group, with the interface of confluent_kafka.Consumer and incremental assignment.

    The reply to a commit arrives with the next `consume`.
    """

    def __init__(
        self, topic: FakeTopic, on_commit: Callable[[KafkaError | None, Sequence[TopicPartition]], None]
    ) -> None:
        self._on_commit = on_commit
        self._answers: list[Callable[[], None]] = []
        self._topic = topic
        self._due: set[int] = set()  # partitions that the group assigned; the next `consume` takes them
        self._lost = False
        self._position: dict[int, int] = {}
        self._ends: dict[int, int] = {}  # for each partition, the offset of the last FakeEnd
        self._paused: set[int] = set()
        self._callbacks: dict[str, Callable[..., None]] = {}

    def subscribe(self, topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        if list(topics) != [self._topic.name]:
            raise NotImplementedError(topics)
        self._callbacks = callbacks
        self._topic.join(self)

    def assign(self, partitions: set[int]) -> None:
        """Set the partitions that this member owns from its next `consume` on."""
        self._due = partitions

    @property
    def positions(self) -> Mapping[int, int]:
        """The owned partitions, each with the offset that is read next."""
        return self._position

    def lose_partitions(self) -> None:
        """Lose all partitions and positions at the next `consume`."""
        self._lost = True

    def consume(self, count: int, _timeout: float) -> list[FakeMessage | FakeEnd]:
        self._answer()
        self._rebalance()
        self._answer()  # a revoked partition is released only after the replies to its commits
        events: list[FakeMessage | FakeEnd] = []
        for number in sorted(set(self._position) - self._paused):
            log = self._topic.partitions[number]
            if self._position[number] > len(log):
                self._position[number] = 0  # the position is out of range: auto.offset.reset=earliest
            taken = log[self._position[number] :][: count - len(events)]
            self._position[number] += len(taken)
            self._topic.returned |= {(number, event.offset()) for event in taken}
            events += [event for event in taken if event is not CONTROL_RECORD]
            position = self._position[number]
            if position == len(log) and self._ends.get(number) != position:
                self._ends[number] = position
                events.append(FakeEnd(self._topic.name, number, position))
        return events

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        if not asynchronous:
            raise NotImplementedError
        self._topic.on_call("commit")
        error = self._topic.error
        if self not in self._topic.members or any(o.partition not in self._position for o in offsets):
            error = KafkaError(KafkaError.ILLEGAL_GENERATION)
        if error is None:
            self._topic.committed |= {o.partition: o.offset for o in offsets}
        self._answers.append(lambda: self._on_commit(error, offsets))

    def _answer(self) -> None:
        answers, self._answers = self._answers, []
        for answer in answers:
            answer()

    def assignment(self) -> list[TopicPartition]:
        return self._named(self._position)

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Do nothing: the partitions are assigned when the callback returns."""

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self._paused |= {partition.partition for partition in partitions}

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self._paused -= {partition.partition for partition in partitions}

    def close(self) -> None:
        self._topic.leave(self)

    def _rebalance(self) -> None:
        if self not in self._topic.members:  # it was removed because it polled too late, and joins again
            self._lost = True
            self._topic.join(self)
        if self._lost:
            self._lost = False
            self._drop({*self._position}, "on_lost")
        self._drop({*self._position} - self._due, "on_revoke")
        # a partition is gained only after its previous owner has released it
        gained = self._due - self._topic.assigned()
        if gained:
            self._callbacks["on_assign"](self, self._named(gained))
            self._position |= {number: self._topic.committed.get(number, 0) for number in gained}

    def _drop(self, partitions: set[int], callback: str) -> None:
        if partitions:
            self._callbacks[callback](self, self._named(partitions))
            self._paused -= partitions
            for number in partitions:
                del self._position[number]
                self._ends.pop(number, None)

    def _named(self, partitions: Any) -> list[TopicPartition]:
        return [TopicPartition(self._topic.name, number) for number in sorted(partitions)]
