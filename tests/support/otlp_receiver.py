"""A small OTLP collector (HTTP, protobuf) that keeps the spans that it receives."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status

from support.wait import until


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as exported, with its ids in hexadecimal; `parent` is empty for the first span of a trace."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]
    has_failed: bool
    start: int
    end: int
    scope: str
    has_remote_parent: bool


@dataclass
class OtlpReceiver:
    """Serves `POST /v1/traces`: a request waits for `released` and gets `status`; with 200 its spans are kept."""

    spans: list[ReceivedSpan] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    status: int = 200
    released: threading.Event = field(default_factory=threading.Event)
    requests: int = 0
    endpoint: str = ""

    def of_order(self, order_id: str) -> list[ReceivedSpan]:
        """Return the spans that have the id of this order."""
        return [span for span in [*self.spans] if span.attributes.get("retail.order.id") == order_id]

    def wait_for(self, name: str, order_id: str, *, count: int = 1, seconds: float = 30) -> list[ReceivedSpan]:
        """Wait until there are `count` spans of this name and order, and return them."""

        def found() -> list[ReceivedSpan]:
            spans = [span for span in self.of_order(order_id) if span.name == name]
            return spans if len(spans) >= count else []

        return until(found, f"{count} spans {name!r} of {order_id}", seconds=seconds)

    def handle(self, body: bytes, headers: dict[str, str]) -> int:
        self.requests += 1
        self.released.wait(60)
        if self.status == 200:
            self.bodies.append(body)
            self.headers.append(headers)
            self.spans += parse(body)
        return self.status


def parse(body: bytes) -> Iterator[ReceivedSpan]:
    """Yield the spans of an export."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    service=service,
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=tuple(link.trace_id.hex() for link in span.links),
                    attributes=_values(span.attributes),
                    has_failed=span.status.code == Status.STATUS_CODE_ERROR,
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    scope=scope.scope.name,
                    has_remote_parent=bool(span.flags & SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK),
                )


@contextmanager
def receiver(port: int = 0) -> Iterator[OtlpReceiver]:
    """Run a collector on 127.0.0.1."""
    kept = OtlpReceiver()
    kept.released.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.handle(body, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignore all errors of requests: some tests disconnect clients."""

    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kept
    finally:
        kept.released.set()
        server.shutdown()
        thread.join(5)
        server.server_close()


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> Any:
    kind = pair.value.WhichOneof("value")
    return getattr(pair.value, kind) if kind else None
