"""A producer in memory, below the real publisher and dead letters: a test decides what becomes of each event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fakes.kafka_log import FakeTopic, Headers
from shared.kafka import KafkaError, KafkaException

BROKEN = b"{"
Report = Callable[[KafkaError | None, Any], None]


@dataclass(eq=False)
class PendingMessage:
    """An event that a producer has taken, and what is to be told of it."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    on_delivery: Report


class FakeProducer:
    """A producer. What it has taken waits until `deliver` or `fail`; the report waits for `poll` or `flush`.

    `delivers_on_flush` delivers at `flush`, as the wait for the dead letters' reports needs it.
    """

    def __init__(self, topics: dict[str, FakeTopic], *, delivers_on_flush: bool = False) -> None:
        self._topics = topics
        self._delivers_on_flush = delivers_on_flush
        self._reports: list[Callable[[], None]] = []
        self.pending: list[tuple[str, PendingMessage]] = []
        self.produce_error: Callable[[], Exception | None] = lambda: None
        self._fatal: KafkaException | None = None
        self._is_fatal_reported = False
        self._is_forked = False

    def produce(
        self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers, on_delivery: Report
    ) -> None:
        error = self._fatal or self.produce_error()
        if error:
            raise error
        if not self._is_forked:
            self.pending.append((topic, PendingMessage(key, value, headers, on_delivery)))

    def fork(self) -> None:
        """Live on in a forked child, without threads: all is taken, and neither sent nor reported."""
        self.pending.clear()
        self._is_forked = True

    def deliver(self) -> None:
        """Have the log take the oldest event."""
        if self.pending:
            topic, message = self.pending.pop(0)
            self._topics[topic].append(message.key, message.value, message.headers)
            self._reports.append(lambda: message.on_delivery(None, None))

    def corrupt(self) -> None:
        """Break the value of the oldest event."""
        if self.pending:
            self.pending[0][1].value = BROKEN

    def fail(self, *, stored: bool, fatal: bool = False) -> None:
        """Give up the oldest event; `stored`: it is in the log all the same; `fatal`: the producer is broken by it."""
        if self.pending:
            topic, message = self.pending.pop(0)
            if stored:
                self._topics[topic].append(message.key, message.value, message.headers)
            error = KafkaError(KafkaError._MSG_TIMED_OUT)
            self._reports.append(lambda: message.on_delivery(error, None))
        if fatal:
            self._fatal = KafkaException(KafkaError(KafkaError._FATAL))

    def poll(self, _timeout: float) -> int:
        reports, self._reports = self._reports, []
        for report in reports:
            report()
        if self._fatal and not self._is_fatal_reported:
            self._is_fatal_reported = True
            raise self._fatal
        return len(reports)

    def flush(self, _timeout: float) -> int:
        while self._delivers_on_flush and self.pending:
            self.deliver()
        self.poll(0)
        return len(self.pending)

    def purge(self) -> None:
        while self.pending:
            self.fail(stored=False)

    def close(self) -> bool:
        return True
