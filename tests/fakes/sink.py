"""A producer in memory: takes events, and reports them when it is polled."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.kafka import KafkaError, KafkaException
from shared.ordering import events

Report = Callable[[Any, Any], None]
TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)
FENCED = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "a gap", True)  # noqa: FBT003 - its own signature
BROKEN = KafkaError(KafkaError._FATAL)
PURGED = KafkaError(KafkaError._PURGE_QUEUE)


@dataclass
class FakeSink:
    """`log` is what Kafka has; while `is_up` is false events wait, and `refusal` is raised by `produce`."""

    on_error: Callable[[Any], None] = lambda _error: None
    log: list[events.OrderPlaced] = field(default_factory=list)
    is_up: bool = True
    refusal: Exception | None = None
    fatal: Exception | None = None
    waiting: list[tuple[events.OrderPlaced, Report]] = field(default_factory=list)

    def produce(self, topic: str, *, key: bytes, value: bytes, headers: list[Any], on_delivery: Report) -> None:
        if self.refusal:
            raise self.refusal
        assert topic == events.TOPIC
        self.waiting.append((events.decode(key, value, headers), on_delivery))

    def break_down(self) -> None:
        """Fail fatally, as the real one does: the next poll raises it, and `produce` an error that looks mild."""
        self.is_up = False
        self.fatal, self.refusal = KafkaException(FENCED), KafkaException(BROKEN)

    def poll(self, _timeout: float) -> int:
        if self.fatal:
            fatal, self.fatal = self.fatal, None
            raise fatal
        if not self.is_up:
            return 0
        return self._report(None)

    def flush(self, timeout: float) -> int:
        self.poll(timeout)
        return len(self.waiting)

    def purge(self) -> None:
        self._report(PURGED)

    def time_out(self) -> None:
        """Have what waits reported as not delivered."""
        self._report(TIMED_OUT)

    def _report(self, error: KafkaError | None) -> int:
        served, self.waiting = self.waiting, []
        for event, report in served:
            if error is None:
                self.log.append(event)
            report(error, None)
        return len(served)
