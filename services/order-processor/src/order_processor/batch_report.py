"""Reports the outcome of a batch: a log line, a span for each traced order, and a batch span that links to them."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from order_processor.batch import Batch, Disposition, Record
from shared.ordering.events import GROUP, TOPIC
from shared.telemetry import log, trace_context
from shared.telemetry.tracing import Tracer

Handle = Callable[[Batch], None]

logger = log.get(__name__)


def reported(handle: Handle, tracer: Tracer, *, clock: Callable[[], int] = time.time_ns) -> Handle:
    """Return a function that calls `handle` and reports the outcome; the caller logs the error that `handle` raises.

    Spans are created after the call, with its start and end as times, so orders that are not traced cost nothing.
    `clock` returns Unix time in nanoseconds.
    """

    def handle_and_report(batch: Batch) -> None:
        records, started = batch.pending, clock()
        try:
            handle(batch)
        except Exception as error:
            _record(records, tracer, started, clock(), error)
            raise
        ended = clock()
        context = _record(records, tracer, started, ended, None)
        _log(records, ended - started, context)

    return handle_and_report


def _log(records: Sequence[Record], nanoseconds: int, context: str | None) -> None:
    results = Counter(record.result for record in records if record.disposition is Disposition.DONE)
    logger.info(
        "batch_handled",
        events=len(records),
        **{str(result): count for result, count in results.items()},
        duration_ms=round(nanoseconds / 1e6, 2),
        **trace_context.log_field(context),
    )


def _record(records: Sequence[Record], tracer: Tracer, started: int, ended: int, error: Exception | None) -> str | None:
    """Record the spans of one call; return the context of the batch's own span, or None if no order is traced."""
    if not tracer.is_on:
        return None
    failure = type(error).__name__ if error else None
    for record in records:
        if record.disposition is Disposition.DONE and (
            span := tracer.start(f"process {TOPIC}", "consumer", record.traceparent, at=started)
        ):
            span.end(_attributes(record), error=type(record.error).__name__ if record.error else None, at=ended)
    links = [record.traceparent for record in records if record.traceparent]
    attributes = _MESSAGING | {"messaging.batch.message_count": len(records)}
    batch_span = tracer.start_linked(f"process batch {TOPIC}", "consumer", links, attributes, at=started)
    if batch_span is None:
        return None
    batch_span.end(error=failure, at=ended)
    return batch_span.traceparent


_MESSAGING: dict[str, str | int] = {
    "messaging.system": "kafka",
    "messaging.destination.name": TOPIC,
    "messaging.consumer.group.name": GROUP,
}


def _attributes(record: Record) -> dict[str, str | int]:
    message = record.message
    place: dict[str, str | int] = {
        "messaging.destination.partition.id": str(message.partition),
        "messaging.kafka.offset": message.offset,
    }
    order_id = record.event.orderid if record.event else "unknown"
    return _MESSAGING | place | {"retail.order.id": order_id, "retail.result": record.result or "unknown"}
