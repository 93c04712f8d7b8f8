"""The messages in hand, and what has become of each."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from shared.kafka_message import Message, Partition
from shared.ordering.dead_letter import DeadLetter
from shared.ordering.events import OrderPlaced

MAX_TRIES = 5


class Fate(Enum):
    """What is to be done with a message next."""

    DECIDE = auto()
    PROCESS = auto()
    FAIL = auto()
    BURY = auto()  # as a dead letter
    DONE = auto()


@dataclass(slots=True, eq=False)
class Record:
    """One message on its way. `event` is there unless the message is broken, `reason` where the order is to fail."""

    message: Message
    fate: Fate = Fate.DECIDE
    event: OrderPlaced | None = None
    reason: str | None = None
    error: Exception | None = None
    attempts: int = 0
    first_failure: datetime | None = None
    last_failure: datetime | None = None

    def bury(self, error: Exception, at: datetime) -> None:
        """Give the message up."""
        self._note(error, at)
        self.fate = Fate.BURY

    def blame(self, error: Exception, at: datetime) -> None:
        """Count a try that failed because of this record alone: after 5 the order fails; if that fails too, give up."""
        self._note(error, at)
        if self.attempts < MAX_TRIES:
            return
        if self.fate is Fate.FAIL:
            self.fate = Fate.BURY
        else:
            self.fate, self.reason = Fate.FAIL, f"could not be processed: {describe(error)}"

    def letter(self) -> DeadLetter:
        """Return what is to be told of a message that is given up."""
        if self.error is None or self.first_failure is None or self.last_failure is None:
            raise ValueError("this message is not given up")
        return DeadLetter(self.message, self.error, self.attempts, self.first_failure, self.last_failure)

    def _note(self, error: Exception, at: datetime) -> None:
        self.error = error
        self.attempts += 1
        self.first_failure = self.first_failure or at
        self.last_failure = at


@dataclass(slots=True)
class Batch:
    """Messages taken together. Their offsets may be committed as far as `done` says, and no further.

    `times` are those of all tries, in whole milliseconds: an order whose status has been as it is since one of them
    was moved by this batch, even if the answer was lost.
    """

    todo: list[Record] = field(default_factory=list)
    times: set[datetime] = field(default_factory=set)
    _next: dict[Partition, int] = field(default_factory=dict)

    def add(self, messages: Iterable[Message]) -> None:
        """Take messages in hand; those of one partition in their order."""
        for message in messages:
            self.todo.append(Record(message))
            self._next[message.source] = message.offset + 1

    def begin(self, now: datetime) -> datetime:
        """Note a try and return its time, which its changes of status are to carry."""
        at = now.replace(microsecond=now.microsecond // 1000 * 1000)  # what MongoDB keeps
        self.times.add(at)
        return at

    def settle(self) -> None:
        """Let go of what is done."""
        self.todo = [record for record in self.todo if record.fate is not Fate.DONE]

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget the messages of partitions that are another's now."""
        self.todo = [record for record in self.todo if record.message.source not in partitions]
        for partition in partitions:
            self._next.pop(partition, None)

    @property
    def done(self) -> dict[Partition, int]:
        """For each partition the offset before which everything is done."""
        offsets = dict(self._next)
        for record in self.todo:
            source = record.message.source
            offsets[source] = min(offsets[source], record.message.offset)
        return offsets


def by_order(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by their order."""
    return _group(records, lambda record: record.event.orderid if record.event else "")


def by_reason(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records of orders that are to fail by the reason."""
    return _group(records, lambda record: record.reason or "")


def describe(error: Exception) -> str:
    """Say what an error is in one short line, without the data that drivers add to it."""
    text = str(error).partition(", full error")[0]
    return f"{type(error).__name__}: {text[:200]}"


def _group(records: Iterable[Record], key: Callable[[Record], str]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups
