"""Records spans with OpenTelemetry's SDK and exports them by OTLP (HTTP, protobuf). Imported only if tracing is on."""

import logging
import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shared.telemetry import log, trace_context
from shared.telemetry.spans import Attributes, Kind, Span

QUEUE_LIMIT = 2048  # spans that wait for their export; when the queue is full, the oldest is dropped
BATCH = 512
DELAY_MS = 1000
EXPORT_SECONDS = 5
CLOSE_SECONDS = 1.0
LINKS = 128  # of a span; OpenTelemetry's default limit
SCOPE = InstrumentationScope("retail-orders")
SUCCEEDED, FAILED = Status(StatusCode.UNSET), Status(StatusCode.ERROR)
KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}

logger = log.get(__name__)


class OtlpSpan(Span):
    """See `spans.Span`. It becomes a span of the SDK when it ends: a live one costs four times as much."""

    def __init__(
        self,
        traceparent: str,
        attributes: Attributes | None,
        finish: Callable[..., ReadableSpan],
        export: Callable[[ReadableSpan], None],
    ) -> None:
        """`finish` creates the SDK's span from `attributes`, `status` and `end_time`; `export` queues it."""
        self.traceparent = traceparent
        self._attributes = attributes or {}
        self._finish = finish
        self._export = export

    def end(self, attributes: Attributes | None = None, *, error: str | None = None, at: int | None = None) -> None:
        """End the operation; see `spans.Span`."""
        failure = {} if error is None else {"error.type": error}
        self._export(
            self._finish(
                attributes={**self._attributes, **(attributes or {}), **failure},
                status=SUCCEEDED if error is None else FAILED,
                end_time=time.time_ns() if at is None else at,
            )
        )


class OtlpRecorder:
    """Records every span that `tracing.Tracer` decides to start. Thread-safe; create it after the fork."""

    def __init__(
        self, endpoint: str, *, headers: Mapping[str, str], ca_file: Path | None, service: str, version: str
    ) -> None:
        """`endpoint` is the base URL of the collector; `headers` are sent with each export and may be secret."""
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # this library would log every failure
        exporter = OTLPSpanExporter(
            f"{endpoint.rstrip('/')}/v1/traces",
            certificate_file=str(ca_file) if ca_file else None,
            headers=dict(headers),
            timeout=EXPORT_SECONDS,
        )
        self._exporter = QuietExporter(exporter)
        self._resource = Resource.create(
            {"service.name": service, "service.version": version, "service.instance.id": platform.node()}
        )
        self._processor = BatchSpanProcessor(
            self._exporter, max_queue_size=QUEUE_LIMIT, schedule_delay_millis=DELAY_MS, max_export_batch_size=BATCH
        )

    def start(
        self,
        name: str,
        kind: Kind,
        *,
        parent: str | None,
        attributes: Attributes | None,
        links: Sequence[str],
        at: int | None,
    ) -> OtlpSpan:
        """Start a span; see `spans.Recorder`."""
        traceparent = trace_context.sampled(parent)
        finish = partial(
            ReadableSpan,
            name=name,
            context=_context(traceparent, is_remote=False),
            parent=_context(parent, is_remote=True) if parent else None,
            resource=self._resource,
            links=[Link(_context(link, is_remote=True)) for link in links[:LINKS]],
            kind=KINDS[kind],
            start_time=time.time_ns() if at is None else at,
            instrumentation_scope=SCOPE,
        )
        return OtlpSpan(traceparent, attributes, finish, self._processor.on_end)

    def close(self) -> None:
        """Export the remaining spans, for at most a second; export nothing if the last export failed."""
        self._exporter.close()
        closing = threading.Thread(target=self._processor.shutdown, name="close-tracing", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class QuietExporter(SpanExporter):
    """Exports spans, and logs failures: at most one warning in 30 s. For the one thread of the batch processor."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._throttle = log.LogThrottle()
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans; spans that cannot be exported are dropped. Log failures, throttled."""
        result = self._exporter.export(spans)
        self._is_failing = result is not SpanExportResult.SUCCESS
        if self._is_failing:
            self._throttle.log(logger.warning, "trace_export_failed", spans=len(spans))
        return result

    def close(self) -> None:
        """If the last export failed, give up on the collector, also during the pause before a retry."""
        if self._is_failing:
            self._exporter.shutdown()

    def shutdown(self) -> None:
        """Release the connections."""
        self._exporter.shutdown()


def _context(traceparent: str, *, is_remote: bool) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, TraceFlags(int(flags, 16)))
