"""The spans, log lines and exemplars of a request that places an order."""

from pathlib import Path

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from fakes.replica_set import Failure
from fakes.span_recorder import FakeRecorder
from shared.telemetry.trace_context import trace_id
from shared.telemetry.tracing import Tracer
from support.order_api import OrderService

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def recorder() -> FakeRecorder:
    return FakeRecorder()


def traced(folder: Path, recorder: FakeRecorder, *, ratio: float = 1.0, trusts_clients: bool = False) -> OrderService:
    return OrderService(folder, tracer=Tracer(recorder, ratio=ratio, trusts_clients=trusts_clients))


def test_order_document_stores_the_trace_context_of_its_insert(tmp_path: Path, recorder: FakeRecorder) -> None:
    service = traced(tmp_path, recorder)
    order_id = service.place(traceparent=CLIENT).get_json()["orderid"]

    (request,) = recorder.named("POST /order")
    (create,) = recorder.named("create orders.placed")
    document = service.documents[order_id]
    assert (request.kind, request.parent, request.links) == ("server", None, [CLIENT])
    assert (create.kind, create.parent, create.error) == ("producer", request.traceparent, None)
    assert document["traceparent"] == document["outbox"]["traceparent"] == create.traceparent
    assert service.enqueued == [document]
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/order",
        "http.response.status_code": 200,
        "retail.order.id": order_id,
    }
    assert create.attributes == {"retail.order.id": order_id}


def test_trace_of_a_trusted_client_is_continued(tmp_path: Path, recorder: FakeRecorder) -> None:
    service = traced(tmp_path, recorder, trusts_clients=True)
    order_id = service.place(traceparent=CLIENT).get_json()["orderid"]

    assert recorder.named("POST /order")[0].parent == CLIENT
    assert trace_id(service.documents[order_id]["traceparent"]) == trace_id(CLIENT)


def test_unrecorded_trace_has_an_id_but_no_span(tmp_path: Path, recorder: FakeRecorder) -> None:
    service = traced(tmp_path, recorder, ratio=0.0)
    order_id = service.place(traceparent=CLIENT).get_json()["orderid"]

    context = service.documents[order_id]["traceparent"]
    assert recorder.spans == []
    assert context.endswith("-00")
    assert trace_id(context) != trace_id(CLIENT)


def test_spans_of_a_failed_insert_and_its_request_have_errors(tmp_path: Path, recorder: FakeRecorder) -> None:
    service = traced(tmp_path, recorder)
    service.fail_next("insert", Failure.UNANSWERED)
    response = service.place()

    assert response.status_code == 503
    assert [span.error for span in recorder.named("create orders.placed")] == ["OutcomeUnknown"]
    assert [span.error for span in recorder.named("POST /order")] == ["503"]


def test_span_of_a_replayed_request_has_no_error(tmp_path: Path, recorder: FakeRecorder) -> None:
    service = traced(tmp_path, recorder)
    first, second = (service.place(key="k").get_json()["orderid"] for _ in range(2))

    assert first == second
    assert [span.error for span in recorder.spans] == [None] * 4
    assert len(service.enqueued) == 1


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_every_log_line_of_a_request_has_its_trace_id(tmp_path: Path, recorder: FakeRecorder, ratio: float) -> None:
    service = traced(tmp_path, recorder, ratio=ratio)
    service.fail_next("insert", Failure.UNANSWERED)
    with capture_logs(processors=[merge_contextvars]) as lines:
        service.place()
        order_id = service.place().get_json()["orderid"]

    ids = [line["trace_id"] for line in lines]
    assert [line["event"] for line in lines] == ["insert_failed", "request", "request"]
    assert ids[0] == ids[1] != ids[2] == trace_id(service.documents[order_id]["traceparent"])


def test_log_line_without_trace_context_has_no_trace_id(tmp_path: Path) -> None:
    service = OrderService(tmp_path)
    with capture_logs(processors=[merge_contextvars]) as lines:
        service.place()
        service.place(traceparent=CLIENT)

    assert [line.get("trace_id") for line in lines] == [None, trace_id(CLIENT)]


def test_duration_of_a_recorded_request_has_an_exemplar(tmp_path: Path, recorder: FakeRecorder) -> None:
    service = traced(tmp_path, recorder)
    order_id = service.place().get_json()["orderid"]

    (family,) = (f for f in service.registry.collect() if f.name == "retail_http_request_duration_seconds")
    (exemplar,) = (sample.exemplar for sample in family.samples if sample.exemplar)
    assert exemplar.labels == {"trace_id": trace_id(service.documents[order_id]["traceparent"])}
