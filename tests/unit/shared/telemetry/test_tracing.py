"""Which requests are recorded; the others create no span."""

import subprocess
import sys

import pytest

from fakes.span_recorder import FakeRecorder
from shared.config.tracing_settings import TracingSettings
from shared.telemetry import trace_context
from shared.telemetry.tracing import OFF, Tracer

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-1] + "0"


@pytest.fixture
def recorder() -> FakeRecorder:
    return FakeRecorder()


@pytest.mark.parametrize(("trusts_clients", "passed_on"), [(False, UNSAMPLED), (True, SAMPLED)])
def test_without_recorder_only_a_trusted_client_can_force_recording(trusts_clients: bool, passed_on: str) -> None:
    """A trusted client's decision is passed on, because order-processor may record although order-api does not."""
    settings = TracingSettings(
        otlp_endpoint="", otlp_headers={}, otlp_ca_file=None, trace_ratio=1.0, tracing_disabled=False
    )
    tracer = Tracer.of(settings, service="order-api", trusts_clients=trusts_clients)

    assert not tracer.is_on
    assert tracer.start_request("POST /order", SAMPLED) == (passed_on, None)
    assert tracer.start_request("POST /order", UNSAMPLED) == (UNSAMPLED, None)


def test_without_recorder_no_span_is_created() -> None:
    assert OFF.start_request("GET /", "nonsense") == (None, None)
    assert OFF.start("send", "client", SAMPLED) is None
    with OFF.span("create", "producer", SAMPLED) as context:
        assert context == SAMPLED


@pytest.mark.parametrize(("chance", "is_recorded"), [(0.0, True), (0.0999, True), (0.1, False), (0.9, False)])
def test_configured_share_of_new_traces_is_recorded(
    recorder: FakeRecorder, chance: float, *, is_recorded: bool
) -> None:
    tracer = Tracer(recorder, ratio=0.1, chance=lambda: chance)

    context, span = tracer.start_request("POST /order", None)

    assert context is not None
    assert trace_context.is_sampled(context) is is_recorded
    assert (span is not None, len(recorder.spans)) == (is_recorded, is_recorded)


def test_unrecorded_request_creates_no_span(recorder: FakeRecorder) -> None:
    tracer = Tracer(recorder, ratio=0.0)

    context, span = tracer.start_request("POST /order", SAMPLED)
    with tracer.span("create", "producer", context) as inner:
        sent = tracer.start("send", "client", inner)
    linked = tracer.start_linked("batch", "consumer", [context or ""], {}, at=1)

    assert (inner, span, sent, linked, recorder.spans) == (context, None, None, None, [])
    assert trace_context.parse(context) == context
    assert context not in {SAMPLED, UNSAMPLED}


def test_request_of_an_untrusted_client_starts_a_linked_new_trace(recorder: FakeRecorder) -> None:
    tracer = Tracer(recorder)

    tracer.start_request("POST /order", UNSAMPLED)

    (span,) = recorder.spans
    assert (span.parent, span.links) == (None, [UNSAMPLED])
    assert span.trace_id != trace_context.trace_id(UNSAMPLED)


def test_untrusted_client_cannot_force_recording(recorder: FakeRecorder) -> None:
    tracer = Tracer(recorder, ratio=0.1, chance=lambda: 0.5)

    contexts = [tracer.start_request("POST /order", SAMPLED)[0] for _ in range(10)]

    assert recorder.spans == []
    assert not any(trace_context.is_sampled(context) for context in contexts if context)


@pytest.mark.parametrize(("header", "recorded"), [(SAMPLED, 1), (UNSAMPLED, 0)])
def test_trusted_client_decides_whether_a_request_is_recorded(
    recorder: FakeRecorder, header: str, recorded: int
) -> None:
    tracer = Tracer(recorder, ratio=0.5, trusts_clients=True, chance=lambda: 0.0 if recorded == 0 else 0.9)

    context, _ = tracer.start_request("POST /order", header)

    assert context is not None
    assert trace_context.trace_id(context) == trace_context.trace_id(header)
    assert [span.parent for span in recorder.spans] == [header] * recorded


def test_failed_block_sets_the_error_type_on_its_span(recorder: FakeRecorder) -> None:
    tracer = Tracer(recorder)
    with pytest.raises(LookupError), tracer.span("create", "producer", SAMPLED):
        raise LookupError("secret")

    (span,) = recorder.named("create")
    assert (span.error, span.parent) == ("LookupError", SAMPLED)


def test_batch_links_only_to_recorded_orders(recorder: FakeRecorder) -> None:
    Tracer(recorder).start_linked("batch", "consumer", [SAMPLED, UNSAMPLED], {}, at=1)

    assert recorder.spans[0].links == [SAMPLED]


@pytest.mark.parametrize("module", ["order_api.app", "auth_api.app", "order_processor.main"])
def test_opentelemetry_is_not_imported_without_an_endpoint(module: str) -> None:
    script = f"import sys, {module}; print([m for m in sys.modules if m.partition('.')[0] == 'opentelemetry'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)

    assert done.stdout.strip() == "[]"
