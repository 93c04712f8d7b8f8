"""The messages in flight, and the next action for each."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from shared.kafka_message import Message, Partition
from shared.mongo import truncate_to_milliseconds
from shared.ordering.dead_letter import DeadLetter
from shared.ordering.events import OrderPlaced
from shared.ordering.transitions import technical_failure

MAX_ATTEMPTS = 5
_QUOTED_DATA = re.compile(", full error| dup key:")


class Disposition(Enum):
    """The next action for a message."""

    DECIDE = auto()
    PROCESS = auto()
    FAIL = auto()
    DEAD_LETTER = auto()
    DONE = auto()


@dataclass(slots=True, eq=False)
class Record:
    """One message in flight. `event` is set once the message is decoded, `reason` if the order is to fail.

    `result` is the label under which the metrics have counted the message (processed, failed, duplicate, dead_letter),
    or None before that. After an order was counted as failed, its dead letter may still have to be sent.
    """

    message: Message
    traceparent: str | None = None
    disposition: Disposition = Disposition.DECIDE
    event: OrderPlaced | None = None
    reason: str | None = None
    error: Exception | None = None
    attempts: int = 0
    first_failure: datetime | None = None
    last_failure: datetime | None = None
    result: str | None = None

    def dead_letter(self, error: Exception, at: datetime) -> None:
        """Record the error; the next action is to send the message to the dead-letter topic."""
        self._note(error, at)
        self.disposition = Disposition.DEAD_LETTER

    def record_failure(self, error: Exception, at: datetime) -> None:
        """Count an attempt that failed because of this record alone.

        After 5 attempts the order is to fail; if that is impossible as well, the message becomes a dead letter.
        """
        self._note(error, at)
        if self.attempts < MAX_ATTEMPTS:
            return
        if self.disposition is Disposition.FAIL:
            self.disposition = Disposition.DEAD_LETTER
        else:
            self.disposition = Disposition.FAIL
            self.reason = technical_failure(self.event.orderid if self.event else "unknown")

    def to_dead_letter(self) -> DeadLetter:
        """Return the dead letter of a message that has failed."""
        if self.error is None or self.first_failure is None or self.last_failure is None:
            raise ValueError("this message has not failed")
        return DeadLetter(self.message, self.error, self.attempts, self.first_failure, self.last_failure)

    def _note(self, error: Exception, at: datetime) -> None:
        self.error = error
        self.attempts += 1
        self.first_failure = self.first_failure or at
        self.last_failure = at


@dataclass(slots=True)
class Batch:
    """Messages that are handled together. Offsets may be committed up to `done` and no further.

    `attempt_times` are the times of all attempts, in whole milliseconds. An order that got its status at one of them
    was changed by this batch, even if MongoDB's reply was lost.
    """

    pending: list[Record] = field(default_factory=list)
    attempt_times: set[datetime] = field(default_factory=set)
    _next: dict[Partition, int] = field(default_factory=dict)

    def add(self, messages: Iterable[Message]) -> None:
        """Add messages; those of one partition must be in the order of their offsets."""
        for message in messages:
            self.pending.append(Record(message, message.traceparent))
            self.skip_to(message.source, message.offset + 1)

    def skip_to(self, partition: Partition, offset: int) -> None:
        """Record that the partition has no further message before `offset`."""
        self._next[partition] = offset

    def start_attempt(self, now: datetime) -> datetime:
        """Return the time of a new attempt; the status changes of the attempt must use it."""
        at = truncate_to_milliseconds(now)
        self.attempt_times.add(at)
        return at

    def discard_done(self) -> None:
        """Remove the records that are done from `pending`."""
        self.pending = [record for record in self.pending if record.disposition is not Disposition.DONE]

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget the messages of partitions that now belong to another consumer."""
        self.pending = [record for record in self.pending if record.message.source not in partitions]
        for partition in partitions:
            self._next.pop(partition, None)

    @property
    def done(self) -> dict[Partition, int]:
        """For each partition the offset before which everything is done."""
        offsets = dict(self._next)
        for record in self.pending:
            source = record.message.source
            offsets[source] = min(offsets[source], record.message.offset)
        return offsets


def by_order(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by order id."""
    return _group(records, lambda record: record.event.orderid if record.event else "")


def by_reason(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group the records by the reason why their orders must fail."""
    return _group(records, lambda record: record.reason or "")


def describe(error: Exception) -> str:
    """Return an error as one short line, without the data of the document that MongoDB and its driver add to it."""
    text = _QUOTED_DATA.split(str(error), maxsplit=1)[0]
    return f"{type(error).__name__}: {text[:200]}"


def _group(records: Iterable[Record], key: Callable[[Record], str]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups
