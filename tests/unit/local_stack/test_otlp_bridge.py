"""The bridge from OTLP to Zipkin: the spans that Zipkin gets, and the statuses that an exporter gets."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from local_stack import otlp_bridge
from local_stack.otlp_bridge import Bridge
from shared.telemetry.otlp import OtlpRecorder
from support.free_ports import free_port

LINKED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PATH = "/v1/traces"


@contextmanager
def served(server: HTTPServer) -> Iterator[int]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(5)


class FakeZipkin(HTTPServer):
    """Keeps the posted spans, and returns `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FakeZipkinHandler)
        self.spans: list[dict[str, Any]] = []
        self.status = 202


class FakeZipkinHandler(BaseHTTPRequestHandler):
    server: FakeZipkin

    def do_POST(self) -> None:
        assert self.path == "/api/v2/spans"
        self.server.spans += json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def zipkin() -> Iterator[FakeZipkin]:
    server = FakeZipkin()
    with served(server):
        yield server


@pytest.fixture
def bridge(zipkin: FakeZipkin) -> Iterator[int]:
    """The port of a bridge to the fake Zipkin."""
    with served(Bridge(0, f"http://127.0.0.1:{zipkin.server_port}")) as port:
        yield port


def post(port: int, body: bytes = b"", *, path: str = PATH, length: str | None = None) -> int:
    """Post a body and return the status. `length` replaces the Content-Length; if empty, there is none."""
    length = str(len(body)) if length is None else length
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.putrequest("POST", path)
        if length:
            connection.putheader("Content-Length", length)
        connection.endheaders(body)
        return connection.getresponse().status


def test_exported_spans_reach_zipkin_with_ids_times_and_tags(bridge: int, zipkin: FakeZipkin) -> None:
    recorder = OtlpRecorder(f"http://127.0.0.1:{bridge}", headers={}, ca_file=None, service="order-api", version="1")
    attributes: dict[str, str | int | bool] = {"messaging.system": "kafka", "count": 2, "flag": True}
    span = recorder.start("batch", "consumer", parent=None, attributes=attributes, links=[LINKED], at=5_000)
    span.end(error="OSError", at=9_000)
    recorder.start("child", "client", parent=span.traceparent, attributes=None, links=[], at=5_000).end(at=5_001)
    recorder.close()

    first, second = zipkin.spans
    _, trace_id, span_id, _ = span.traceparent.split("-")
    tags = first.pop("tags")
    assert first == {
        "traceId": trace_id,
        "id": span_id,
        "name": "batch",
        "kind": "CONSUMER",
        "timestamp": 5,
        "duration": 4,
        "localEndpoint": {"serviceName": "order-api"},
        "remoteEndpoint": {"serviceName": "kafka"},
    }
    assert (tags["count"], tags["flag"], tags["error"], tags["links"]) == ("2", "true", "OSError", LINKED.split("-")[1])
    assert tags["service.version"] == "1"
    assert "service.name" not in tags
    assert (second["traceId"], second["parentId"], second["kind"]) == (trace_id, span_id, "CLIENT")
    assert second["duration"] == 1
    assert "error" not in second["tags"]


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (404, {"path": "/v1/logs"}),
        (411, {"length": ""}),
        (411, {"length": "-1"}),
        (413, {"length": str(otlp_bridge.BODY_LIMIT + 1)}),
        (400, {"body": b"not an export"}),
        (200, {"body": b""}),
    ],
)
def test_bad_request_gets_its_status_and_reaches_no_zipkin(
    status: int, request_: dict[str, Any], bridge: int, zipkin: FakeZipkin
) -> None:
    assert post(bridge, **request_) == status
    assert zipkin.spans == []


def test_incomplete_request_is_given_up(bridge: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_bridge._Handler, "timeout", 0.1)

    assert post(bridge, b"half", length="8") == 408
    assert post(bridge) == 200


def test_exporter_gets_503_and_may_retry_while_zipkin_rejects(bridge: int, zipkin: FakeZipkin) -> None:
    zipkin.status = 500
    assert post(bridge, export()) == 503

    zipkin.status = 202
    assert post(bridge, export()) == 200


def test_exporter_gets_503_while_zipkin_is_down() -> None:
    with served(Bridge(0, f"http://127.0.0.1:{free_port()}")) as port:
        assert post(port, export()) == 503


def test_only_a_changed_status_is_logged(bridge: int, capfd: pytest.CaptureFixture[str]) -> None:
    for body in (b"", b"x", b"x", b"", b""):
        post(bridge, body)

    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[-2] for line in lines] == ["400", "200"]


def export() -> bytes:
    """Return an export with one span."""
    exported = ExportTraceServiceRequest()
    span = exported.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes(range(16)), bytes(range(8)), "one"
    encoded: bytes = exported.SerializeToString()
    return encoded
