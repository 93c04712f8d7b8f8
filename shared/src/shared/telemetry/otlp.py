"""Records spans with OpenTelemetry's SDK and exports them by OTLP (HTTP, protobuf). Imported only if tracing is on."""

import logging
import platform
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace.propagation import set_span_in_context

from shared.telemetry import log
from shared.telemetry.spans import Attributes, Kind, Span

QUEUE_LIMIT = 2048  # spans that wait for their export; when the queue is full, the oldest is dropped
BATCH = 512
DELAY_MS = 1000
EXPORT_SECONDS = 5
CLOSE_SECONDS = 1.0

logger = log.get(__name__)


class OtlpSpan(Span):
    """A span of the SDK; see `spans.Span`."""

    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, attributes: Attributes | None = None, *, error: str | None = None, at: int | None = None) -> None:
        """End the operation; see `spans.Span`."""
        if attributes:
            self._span.set_attributes(dict(attributes))
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end(at)


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
        resource = Resource.create(
            {"service.name": service, "service.version": version, "service.instance.id": platform.node()}
        )
        self._provider = TracerProvider(sampling.ALWAYS_ON, resource, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(
            self._exporter, max_queue_size=QUEUE_LIMIT, schedule_delay_millis=DELAY_MS, max_export_batch_size=BATCH
        )
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("retail-orders")

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
        context = Context()
        if parent is not None:
            context = set_span_in_context(NonRecordingSpan(_remote(parent)), context)
        span = self._tracer.start_span(
            name,
            context,
            SpanKind[kind.upper()],
            dict(attributes) if attributes else None,
            [Link(_remote(link)) for link in links],
            at,
        )
        return OtlpSpan(span)

    def close(self) -> None:
        """Export the remaining spans, for at most a second; export nothing if the last export failed."""
        self._exporter.close()
        closing = threading.Thread(target=self._provider.shutdown, name="close-tracing", daemon=True)
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


def _remote(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
