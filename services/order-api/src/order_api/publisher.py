"""Bringing single events to Kafka: through the breaker, with a new producer when the old one is of no more use."""

import time
from collections.abc import Callable
from functools import partial
from random import random
from typing import Any, NamedTuple, Protocol

from order_api import orders
from order_api.orders import Document
from shared.kafka import KafkaException
from shared.ordering import events
from shared.resilience import crash
from shared.resilience.breaker import Breaker, CircuitOpen, Permit
from shared.telemetry import log
from shared.telemetry.metrics import OrderMetrics

FIRST_RESTART_BACK_OFF = 1.0
LONGEST_RESTART_BACK_OFF = 20.0
PURGE_SECONDS = 1.0
FATAL = "_FATAL"  # what `produce` raises after a fatal error, though it is not marked as one
logger = log.get(__name__)


class Fault(Protocol):
    """An error of the Kafka client."""

    def fatal(self) -> bool:
        """Tell whether the producer is of no more use."""

    def name(self) -> str:
        """Return the error's symbol."""


Report = Callable[[Any, Any], None]


class Sink(Protocol):
    """The producer, as it is used here: by one thread, which `poll` and `flush` call back."""

    def produce(self, topic: str, *, key: bytes, value: bytes, headers: list[Any], on_delivery: Report) -> None:
        """Take one event; `on_delivery(error or None, message)` comes later and once, unless this raises."""

    def poll(self, timeout: float) -> int:
        """Call back what is reported."""

    def flush(self, timeout: float) -> int:
        """Wait for all reports; return how many are still out."""

    def purge(self) -> None:
        """Give up what is not delivered; the reports come by `flush`."""


class Sent(NamedTuple):
    """An event on its way: of which order, under which claim of the sweep (None: the fast path)."""

    order_id: str
    claim: str | None


class Delivery:
    """Hands events to the sink, feeds the breaker from the reports, and keeps what they said until it is taken.

    Not safe for threads: the publisher's thread is its only one.
    """

    def __init__(
        self,
        make_sink: Callable[[Callable[[Fault], None]], Sink],
        *,
        breaker: Breaker,
        metrics: OrderMetrics,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random,
    ) -> None:
        """`make_sink` is given what the sink calls on an error; `jitter` returns 0 to 1."""
        self._make_sink = make_sink
        self._breaker = breaker
        self._metrics = metrics
        self._clock = clock
        self._jitter = jitter
        self._delivered: list[Sent] = []
        self._failed: list[Sent] = []
        self._is_broken = False
        self._restarts = 0
        self._next_restart = 0.0
        self._sink = make_sink(self._on_error)

    @property
    def room(self) -> int:
        """How many events the breaker would let through now."""
        return self._breaker.available

    def send(self, record: Document, claim: str | None = None) -> None:
        """Hand the event of an order to the sink. Whatever fails, the marker stands and the outcome is kept."""
        sent = Sent(record["_id"], claim)
        try:
            key, value, headers = events.encode(orders.event(record), record["outbox"].get("traceparent"))
            permit = self._breaker.acquire()
        except CircuitOpen:
            self._failed.append(sent)
            return
        except Exception:
            logger.exception("event_encode_failed", order_id=sent.order_id)
            return
        report = partial(self._report, sent, permit)
        crash.point("before-produce")
        try:
            self._sink.produce(events.TOPIC, key=key, value=value, headers=headers, on_delivery=report)
        except Exception as error:  # noqa: BLE001 - queue full, topic gone, fatal: none may end the thread
            self._refused(sent, permit, error)
        crash.point("after-produce")

    def serve(self) -> None:
        """Take the reports that are there, and replace a broken producer when its back-off is over."""
        self._take_reports(lambda: self._sink.poll(0))
        if self._is_broken and self._clock() >= self._next_restart:
            self._restart()

    def take_delivered(self) -> list[Sent]:
        """Return, once, what is known to be in the log."""
        taken, self._delivered = self._delivered, []
        return taken

    def take_failed(self) -> list[Sent]:
        """Return, once, what is not known to be in the log, and will not be reported any more."""
        taken, self._failed = self._failed, []
        return taken

    def close(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the reports, give the rest up, and end the producer."""
        if left := self._take_reports(lambda: self._sink.flush(timeout)):
            logger.warning("events_undelivered_at_shutdown", count=left)
        self._give_up()

    def _report(self, sent: Sent, permit: Permit, error: Fault | None, _message: Any) -> None:
        if error is None:
            permit.ok()
            self._restarts = 0
            self._delivered.append(sent)
            self._metrics.published.labels("fast" if sent.claim is None else "sweep").inc()
            return
        permit.failed()
        self._failed.append(sent)
        logger.warning("delivery_failed", order_id=sent.order_id, error=error.name())
        self._on_error(error)

    def _refused(self, sent: Sent, permit: Permit, error: Exception) -> None:
        permit.failed()
        self._failed.append(sent)
        logger.warning("produce_failed", order_id=sent.order_id, error=repr(error))
        if isinstance(error, KafkaException):
            self._on_error(error.args[0])

    def _on_error(self, error: Fault) -> None:
        fatal = error.fatal() or error.name() == FATAL
        if fatal and not self._is_broken:
            logger.error("producer_fatal_error", error=error.name())
            longest = min(LONGEST_RESTART_BACK_OFF, FIRST_RESTART_BACK_OFF * 2**self._restarts)
            self._next_restart = self._clock() + longest * (1 - self._jitter() / 2)
            self._is_broken = True

    def _restart(self) -> None:
        self._give_up()
        self._is_broken = False
        self._restarts = min(self._restarts + 1, 10)
        self._sink = self._make_sink(self._on_error)
        self._metrics.producer_restarts.inc()

    def _give_up(self) -> None:
        """Have every event that is still out reported as failed, so that the sink can be let go."""
        self._sink.purge()
        self._take_reports(lambda: self._sink.flush(PURGE_SECONDS))

    def _take_reports(self, ask: Callable[[], int]) -> int:
        """Be called back for what is reported. The client raises a fatal error here, once, and tells no callback of it.

        What was to be reported after it is asked for again, or the breaker would wait for it for ever.
        """
        for _ in range(2):
            try:
                return ask()
            except KafkaException as error:
                self._on_error(error.args[0])
        return 0
