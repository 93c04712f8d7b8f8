"""Traces: decides which requests are recorded, and starts their spans.

A trace context is passed on as the text of its `traceparent`, through functions, documents and Kafka's headers. For an
unrecorded request, one character of that text is checked, and no object of OpenTelemetry's SDK is created (9 to 20 µs
each).
"""

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from typing import Self

from shared.config.tracing_settings import TracingSettings
from shared.telemetry import trace_context
from shared.telemetry.spans import Attributes, Kind, Recorder, Span


class Tracer:
    """Starts the spans of one process. Thread-safe; create it after the fork. Without a recorder it starts none."""

    def __init__(
        self,
        recorder: Recorder | None = None,
        *,
        ratio: float = 1.0,
        trusts_clients: bool = False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`ratio` is the share of new traces to record. `chance` returns a random number from 0 to 1 (exclusive).

        With `trusts_clients`, a request continues the client's trace, whose flag decides about recording. Otherwise
        the request begins a new trace that links to the client's. Without a recorder, the client's trace goes on in
        both cases, but only a trusted client can make a later service record it.
        """
        self._recorder = recorder
        self._ratio = ratio
        self._trusts_clients = trusts_clients
        self._chance = chance

    @property
    def is_on(self) -> bool:
        """True if there is a recorder."""
        return self._recorder is not None

    def start_request(self, name: str, header: str | None) -> tuple[str | None, Span | None]:
        """Return the trace context of a request with this `traceparent` header, and its span if one is recorded."""
        client = trace_context.parse(header)
        if self._recorder is None:
            return (trace_context.without_flag(client) if client and not self._trusts_clients else client), None
        if client and self._trusts_clients:
            span = self.start(name, "server", client)
            return (span.traceparent if span else client), span
        if self._chance() >= self._ratio:
            return trace_context.unsampled(), None
        links = [client] if client else []
        span = self._recorder.start(name, "server", parent=None, attributes=None, links=links, at=None)
        return span.traceparent, span

    def start(
        self, name: str, kind: Kind, parent: str | None, attributes: Attributes | None = None, *, at: int | None = None
    ) -> Span | None:
        """Return a new span in the trace `parent`, or None if that trace is not recorded. `at` is as in `Recorder`."""
        if self._recorder is None or parent is None or not trace_context.is_sampled(parent):
            return None
        return self._recorder.start(name, kind, parent=parent, attributes=attributes, links=(), at=at)

    def start_linked(
        self, name: str, kind: Kind, links: Sequence[str], attributes: Attributes, *, at: int
    ) -> Span | None:
        """Return the first span of a new trace that links to the recorded ones of `links`; None if none is recorded."""
        sampled = [link for link in links if trace_context.is_sampled(link)]
        if self._recorder is None or not sampled:
            return None
        return self._recorder.start(name, kind, parent=None, attributes=attributes, links=sampled, at=at)

    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Attributes | None = None
    ) -> AbstractContextManager[str | None]:
        """Return a context manager that yields the context to pass on; it is a span if `parent` is recorded."""
        return self.start(name, kind, parent, attributes) or nullcontext(parent)

    def close(self) -> None:
        """Export the remaining spans, for at most a second."""
        if self._recorder is not None:
            self._recorder.close()

    @classmethod
    def of(cls, settings: TracingSettings, *, service: str, trusts_clients: bool = False) -> Self:
        """Return the tracer that the settings describe. OpenTelemetry is imported only if there is an endpoint."""
        if not settings.otlp_endpoint or settings.tracing_disabled:
            return cls(trusts_clients=trusts_clients)
        from shared.telemetry.otlp import OtlpRecorder  # noqa: PLC0415 - costs nothing while tracing is off

        recorder = OtlpRecorder(
            settings.otlp_endpoint,
            headers=settings.otlp_headers,
            ca_file=settings.otlp_ca_file,
            service=service,
            version=version(f"retail-orders-{service}"),
        )
        return cls(recorder, ratio=settings.trace_ratio, trusts_clients=trusts_clients)


OFF = Tracer()
