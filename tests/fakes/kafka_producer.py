"""A Kafka producer in memory, for the real publisher and dead letters; a test decides when a message is delivered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fakes.kafka_log import FakeTopic, Headers
from shared.kafka import KafkaError, KafkaException

BROKEN_VALUE = b"{"
Report = Callable[[KafkaError | None, Any], None]
# After a fatal error, `poll` raises FATAL once, and each `produce` raises UNUSABLE.
FATAL = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "a gap", True)  # noqa: FBT003 - its own signature
UNUSABLE = KafkaError(KafkaError._FATAL)
TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)
PURGED = KafkaError(KafkaError._PURGE_QUEUE)


@dataclass(eq=False)
class PendingMessage:
    """A message that the producer has accepted, with its delivery callback."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    on_delivery: Report


class FakeProducer:
    """A Kafka producer. An accepted message is pending until `deliver` or `fail`; `poll` and `flush` call its callback.

    With `delivers_on_poll`, `poll` and `flush` deliver all pending messages; with `delivers_on_flush` only `flush`
    does. `produce_error` returns the exception that `produce` raises, or None.
    """

    def __init__(
        self, topics: dict[str, FakeTopic], *, delivers_on_flush: bool = False, delivers_on_poll: bool = False
    ) -> None:
        self._topics = topics
        self._delivers_on_flush = delivers_on_flush
        self.delivers_on_poll = delivers_on_poll
        self._reports: list[Callable[[], None]] = []
        self.pending: list[tuple[str, PendingMessage]] = []
        self.produce_error: Callable[[], Exception | None] = lambda: None
        self._is_broken = False
        self._is_fatal_reported = False
        self._is_forked = False

    def produce(
        self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers, on_delivery: Report
    ) -> None:
        error = KafkaException(UNUSABLE) if self._is_broken else self.produce_error()
        if error:
            raise error
        if not self._is_forked:
            self.pending.append((topic, PendingMessage(key, value, headers, on_delivery)))

    def fork(self) -> None:
        """Behave as in a forked child, which has no client threads: events are accepted, but never sent or reported."""
        self.pending.clear()
        self._is_forked = True

    def deliver(self) -> None:
        """Append the oldest pending message to its topic, and queue its delivery report."""
        if self.pending:
            topic, message = self.pending.pop(0)
            appended = self._topics[topic].append(message.key, message.value, message.headers)
            self._reports.append(lambda: message.on_delivery(None, appended))

    def corrupt(self) -> None:
        """Replace the value of the oldest pending message by invalid JSON."""
        if self.pending:
            self.pending[0][1].value = BROKEN_VALUE

    def fail(self, *, stored: bool, fatal: bool = False, error: KafkaError = TIMED_OUT) -> None:
        """Let the delivery of the oldest pending message fail, and queue its report.

        With `stored`, the message is appended nevertheless; with `fatal`, the producer breaks.
        """
        if self.pending:
            topic, message = self.pending.pop(0)
            if stored:
                self._topics[topic].append(message.key, message.value, message.headers)
            self._reports.append(lambda: message.on_delivery(error, None))
        if fatal:
            self.break_fatally()

    def time_out(self) -> None:
        """Report every pending message as timed out, immediately."""
        while self.pending:
            self.fail(stored=False)
        self._report()

    def break_fatally(self) -> None:
        """Put the producer into the fatal error state: `produce` raises UNUSABLE, and `poll` delivers nothing."""
        self._is_broken = True
        self.delivers_on_poll = False

    def poll(self, _timeout: float) -> int:
        while self.delivers_on_poll and self.pending:
            self.deliver()
        count = self._report()
        if self._is_broken and not self._is_fatal_reported:
            self._is_fatal_reported = True
            raise KafkaException(FATAL)
        return count

    def flush(self, timeout: float) -> int:
        while self._delivers_on_flush and self.pending:
            self.deliver()
        self.poll(timeout)
        return len(self.pending)

    def purge(self) -> None:
        while self.pending:
            self.fail(stored=False, error=PURGED)

    def close(self) -> bool:
        return True

    def _report(self) -> int:
        reports, self._reports = self._reports, []
        for report in reports:
            report()
        return len(reports)
