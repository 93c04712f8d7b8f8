"""Publishes single events to Kafka: through the breaker, and with a new producer after a fatal error."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from random import random
from typing import Any, NamedTuple

from order_api import orders
from order_api.metrics import OrderMetrics
from order_api.orders import Document
from shared.kafka import KafkaError, KafkaException, Producer
from shared.ordering import events
from shared.resilience import crash
from shared.resilience.backoff import Backoff
from shared.resilience.breaker import Breaker, CircuitOpen, Permit
from shared.telemetry import log, trace_context
from shared.telemetry.spans import Span
from shared.telemetry.tracing import OFF, Tracer

PURGE_SECONDS = 1.0
SEND = f"send {events.TOPIC}"
FATAL = "_FATAL"  # name of the error that `produce` raises after a fatal error; its `fatal()` is false
logger = log.get(__name__)


class Sent(NamedTuple):
    """An event in flight, from a sweep with its `claim` or from the fast path. `due` is that of its outbox entry."""

    order_id: str
    claim: str | None
    due: datetime
    traceparent: str | None = None
    span: Span | None = None


class EventPublisher:
    """Passes events to the producer, reports deliveries to the breaker, and keeps the outcomes until they are popped.

    Not thread-safe: it belongs to the thread of the relay.
    """

    def __init__(
        self,
        make_producer: Callable[[Callable[[KafkaError], None]], Producer],
        *,
        breaker: Breaker,
        metrics: OrderMetrics,
        tracer: Tracer = OFF,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random,
    ) -> None:
        """`make_producer(on_error)` returns a producer that calls `on_error`; `jitter` returns a number from 0 to 1."""
        self._make_producer = make_producer
        self._breaker = breaker
        self._metrics = metrics
        self._tracer = tracer
        self._clock = clock
        self._log_throttle = log.LogThrottle(clock)
        self._backoff = Backoff(first=1.0, longest=20.0, jitter=jitter)
        self._delivered: list[Sent] = []
        self._failed: list[Sent] = []
        self._unpublishable: list[Document] = []
        self.swept_in_flight = 0  # events of sweeps without a delivery report
        self._is_broken = False
        self._restarts = 0
        self._next_restart = 0.0
        self._producer = make_producer(self._on_error)

    @property
    def capacity(self) -> int:
        """How many events the breaker would admit now."""
        return self._breaker.available

    def queue_length(self) -> int:
        """Return how many events the producer holds without a delivery report; for any thread."""
        return len(self._producer)

    def publish(self, record: Document, claim: str | None = None) -> None:
        """Pass the event of an order to the producer; `pop_failed` or `pop_unpublishable` returns what fails."""
        sent = Sent(record["_id"], claim, record["outbox"]["due"])
        try:
            traceparent = orders.traceparent_of(record)
            key, value, headers = events.encode(orders.build_event(record), traceparent)
            permit = self._breaker.acquire()
        except CircuitOpen:
            self._failed.append(sent)
            return
        except Exception:
            trace = trace_context.log_field(trace_context.parse(record.get("traceparent")))
            logger.exception("event_encode_failed", order_id=sent.order_id, **trace)
            self._metrics.malformed.inc()
            self._unpublishable.append(record)
            return
        attributes = _attributes(record, sent) if self._tracer.is_on else None
        span = self._tracer.start(SEND, "client", traceparent, attributes)
        sent = sent._replace(traceparent=traceparent, span=span)
        on_delivery = partial(self._on_delivery, sent, permit)
        crash.point("before-produce")
        try:
            self._producer.produce(events.TOPIC, key=key, value=value, headers=[*headers], on_delivery=on_delivery)
            self.swept_in_flight += claim is not None
        except Exception as error:  # noqa: BLE001 - queue full, topic gone, fatal: none may stop the thread
            self._on_produce_error(sent, permit, error)
        crash.point("after-produce")

    def poll(self) -> None:
        """Process the delivery reports that have arrived, and replace a broken producer when its back-off is over."""
        self._poll_reports(lambda: self._producer.poll(0))
        if self._is_broken and self._clock() >= self._next_restart:
            self._recreate_producer()

    def pop_delivered(self) -> list[Sent]:
        """Return, once, the events that Kafka has confirmed."""
        popped, self._delivered = self._delivered, []
        return popped

    def pop_failed(self) -> list[Sent]:
        """Return, once, the events that are not confirmed and will get no more reports."""
        popped, self._failed = self._failed, []
        return popped

    def pop_unpublishable(self) -> list[Document]:
        """Return, once, the orders whose event cannot be built."""
        popped, self._unpublishable = self._unpublishable, []
        return popped

    def close(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the delivery reports; the events without one then count as failed."""
        if left := self._poll_reports(lambda: self._producer.flush(timeout)):
            logger.warning("events_undelivered_at_shutdown", count=left)
        self._purge()

    def _on_delivery(self, sent: Sent, permit: Permit, error: KafkaError | None, message: Any) -> None:
        self.swept_in_flight -= sent.claim is not None
        if error is None:
            permit.ok()
            self._restarts = 0
            self._delivered.append(sent)
            self._metrics.published[_path(sent)].inc()
            if sent.span:
                sent.span.end(_place(message))
            return
        permit.failed()
        self._fail("delivery_failed", sent, error.name())
        self._on_error(error)

    def _on_produce_error(self, sent: Sent, permit: Permit, error: Exception) -> None:
        permit.failed()
        is_known = isinstance(error, KafkaException)
        self._fail("produce_failed", sent, error.args[0].name() if is_known else type(error).__name__)
        if isinstance(error, KafkaException):
            self._on_error(error.args[0])

    def _fail(self, event: str, sent: Sent, error: str) -> None:
        self._failed.append(sent)
        if sent.span:
            sent.span.end(error=error)
        self._log_failure(event, sent, error)

    def _log_failure(self, event: str, sent: Sent, error: str) -> None:
        """Log at most one failure of each kind in 30 s: without brokers there are thousands."""
        trace = trace_context.log_field(sent.traceparent)
        self._log_throttle.log(logger.warning, event, error, order_id=sent.order_id, **trace, error=error)

    def _on_error(self, error: KafkaError) -> None:
        fatal = error.fatal() or error.name() == FATAL
        if fatal and not self._is_broken:
            logger.error("producer_fatal_error", error=error.name())
            self._next_restart = self._clock() + self._backoff.pause(self._restarts + 1)
            self._is_broken = True

    def _recreate_producer(self) -> None:
        self._purge()
        self.swept_in_flight = 0
        self._is_broken = False
        self._restarts += 1
        self._producer = self._make_producer(self._on_error)
        self._metrics.producer_restarts.inc()

    def _purge(self) -> None:
        """Make the producer report every event in flight as failed, so that the producer can be dropped."""
        self._producer.purge()
        self._poll_reports(lambda: self._producer.flush(PURGE_SECONDS))

    def _poll_reports(self, poll: Callable[[], int]) -> int:
        """Call `poll`, in which the client calls its callbacks, and return its result.

        The client raises a fatal error here, once, instead of passing it to a callback. A second poll then fetches the
        reports that follow the error: without them the breaker would wait forever.
        """
        for _ in range(2):
            try:
                return poll()
            except KafkaException as error:
                self._on_error(error.args[0])
        return 0


def _path(sent: Sent) -> str:
    return "fast" if sent.claim is None else "sweep"


def _attributes(record: Document, sent: Sent) -> dict[str, str | int]:
    """Return the attributes of the span of a send. Attempt 0 is the fast path; each claim by a sweep adds one."""
    attempt = record["outbox"].get("attempts", 0)
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": events.TOPIC,
        "retail.order.id": sent.order_id,
        "retail.outbox.path": _path(sent),
        "retail.outbox.attempt": attempt if isinstance(attempt, int) else 0,
    }


def _place(message: Any) -> dict[str, str | int]:
    return {"messaging.destination.partition.id": str(message.partition()), "messaging.kafka.offset": message.offset()}
