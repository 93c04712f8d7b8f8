"""Receives spans by OTLP (HTTP, protobuf) and hands them to Zipkin: `python -m local_stack.otlp_bridge PORT ZIPKIN`.

It serves one request at a time and has no queue: the exporter gets 200 when Zipkin has the spans, otherwise an error.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from local_stack.ports import HOST

BODY_LIMIT = 4 * 2**20  # bytes; an export of the services has at most 512 spans, about half a MiB
SECONDS = 4.0  # for a client to send its request, and for Zipkin to answer; an exporter gives up after 5
WAITING_LIMIT = 32  # connections
KINDS = {
    Span.SPAN_KIND_SERVER: "SERVER",
    Span.SPAN_KIND_CLIENT: "CLIENT",
    Span.SPAN_KIND_PRODUCER: "PRODUCER",
    Span.SPAN_KIND_CONSUMER: "CONSUMER",
}


def translate(body: bytes) -> list[dict[str, Any]]:
    """Return the spans of an export in Zipkin's format (version 2), as OpenTelemetry's specification maps them.

    Zipkin has no links, so the ids of linked traces are a tag. DecodeError if the body is not an export.
    """
    return [
        _translated(span, resource)
        for exported in ExportTraceServiceRequest.FromString(body).resource_spans
        for resource in [dict(_tags(exported.resource.attributes))]
        for scope in exported.scope_spans
        for span in scope.spans
    ]


def _translated(span: Span, resource: dict[str, str]) -> dict[str, Any]:
    tags = resource | dict(_tags(span.attributes))
    found: dict[str, Any] = {
        "traceId": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "name": span.name,
        "timestamp": span.start_time_unix_nano // 1000,
        "duration": max(1, (span.end_time_unix_nano - span.start_time_unix_nano) // 1000),
        "localEndpoint": {"serviceName": tags.pop("service.name", "unknown")},
        "tags": tags,
    }
    if span.parent_span_id:
        found["parentId"] = span.parent_span_id.hex()
    if span.kind in KINDS:
        found["kind"] = KINDS[span.kind]
    if "messaging.system" in tags:
        found["remoteEndpoint"] = {"serviceName": tags["messaging.system"]}
    if span.status.code == Status.STATUS_CODE_ERROR:
        tags["error"] = tags.get("error.type") or span.status.message or "true"
    if span.links:
        tags["links"] = " ".join(link.trace_id.hex() for link in span.links)
    return found


def _tags(attributes: Iterable[KeyValue]) -> Iterator[tuple[str, str]]:
    for attribute in attributes:
        value = _value(attribute.value)
        yield attribute.key, value if isinstance(value, str) else json.dumps(value)


def _value(value: AnyValue) -> Any:
    match kind := value.WhichOneof("value"):
        case None:
            return ""
        case "array_value":
            return [_value(one) for one in value.array_value.values]
        case "kvlist_value":
            return {one.key: _value(one.value) for one in value.kvlist_value.values}
        case "bytes_value":
            return value.bytes_value.hex()
    return getattr(value, kind)


class Bridge(HTTPServer):
    """Listens on 127.0.0.1."""

    request_queue_size = WAITING_LIMIT

    def __init__(self, port: int, zipkin: str) -> None:
        """`zipkin` is the base URL of Zipkin."""
        super().__init__((HOST, port), _Handler)
        self._zipkin = httpx.Client(base_url=zipkin, timeout=SECONDS, trust_env=False)
        self.last_status = HTTPStatus.OK

    def server_close(self) -> None:
        """Close the socket and the connection to Zipkin."""
        super().server_close()
        self._zipkin.close()

    def store(self, body: bytes) -> HTTPStatus:
        """Hand the spans of an export to Zipkin; return the status for the exporter. It retries after a 503."""
        try:
            spans = translate(body)
            if spans:
                self._zipkin.post("/api/v2/spans", json=spans).raise_for_status()
        except DecodeError:
            return HTTPStatus.BAD_REQUEST
        except httpx.HTTPError:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.OK


class _Handler(BaseHTTPRequestHandler):
    server: Bridge
    timeout = SECONDS

    def do_POST(self) -> None:
        status = self._receive()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _receive(self) -> HTTPStatus:
        length = self.headers.get("Content-Length", "")
        if self.path != "/v1/traces":
            return HTTPStatus.NOT_FOUND
        if not length.isdecimal():
            return HTTPStatus.LENGTH_REQUIRED
        if int(length) > BODY_LIMIT:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        try:
            return self.server.store(self.rfile.read(int(length)))
        except TimeoutError:
            return HTTPStatus.REQUEST_TIMEOUT

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request whose status differs from that of the request before."""
        if code != self.server.last_status:
            self.server.last_status = HTTPStatus(int(code))
            super().log_request(code, size)


if __name__ == "__main__":
    with Bridge(int(sys.argv[1]), sys.argv[2]) as bridge:
        bridge.serve_forever()
