"""An OTLP collector receives one trace per order, from POST to PROCESSED, on every path of an order."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from faults.harness import topic
from local_stack.catalog import Replica
from local_stack.stack import Stack, StackOptions
from shared.mongo import Document
from shared.ordering.events import TOPIC
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from support import scrape
from support.customer import ORDER, Customer, https
from support.free_ports import free_ports
from support.otlp_receiver import OtlpReceiver, ReceivedSpan, receiver
from support.servers import database
from support.wait import until

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CREATE, SEND, PROCESS = (f"{step} {TOPIC}" for step in ("create", "send", "process"))


@dataclass(frozen=True)
class Traced:
    """The whole system with every trace recorded."""

    stack: Stack
    collector: OtlpReceiver
    customer: Customer

    def document(self, **query: Any) -> Document:
        with database(self.stack, "order-api") as orders:
            return until(lambda: orders.orders.find_one(query), f"the order {query}")

    def published(self, order_id: str) -> Document:
        """Wait until the order has no outbox entry, so its event was published; return the order."""
        self.document(_id=order_id, outbox=None)
        return self.document(_id=order_id)

    def sends(self, order_id: str, count: int) -> list[tuple[str, int, bool]]:
        """Wait for `count` send spans of the order; return path, attempt and whether the send failed, for each span."""
        spans = sorted(self.collector.wait_for(SEND, order_id, count=count), key=lambda span: span.start)
        return [
            (s.attributes["retail.outbox.path"], s.attributes["retail.outbox.attempt"], s.has_failed) for s in spans
        ]

    @contextmanager
    def processor_stopped(self) -> Iterator[None]:
        """Stop order-processor while the context lasts, so that events stay in the topic."""
        self.stack.stop("order-processor-0")
        try:
            yield
        finally:
            self.stack.start("order-processor-0")


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with receiver() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_TRACES_SAMPLER_ARG": "1"}
        options = StackOptions(
            root=tmp_path_factory.mktemp("traced"),
            counts={"order-api": 1},
            extra_env={
                "order-api": environ,
                "auth-api": environ,
                "order-processor": environ | {"RECONCILE_INTERVAL_SECONDS": "1"},
            },
        )
        with Stack(options) as stack, https(stack.base_url, stack.ca) as client:
            yield Traced(stack, collector, Customer(client))


def assert_one_trace(traced: Traced, order_id: str, *, sends: int) -> list[ReceivedSpan]:
    """Wait until the order is processed and its event was sent `sends` times; return the spans of the order.

    Assert that the spans are in one trace, and that those of sending and processing are children of the insert's span.
    """
    traced.customer.processed(order_id)
    processed = traced.collector.wait_for(PROCESS, order_id)
    traced.collector.wait_for(SEND, order_id, count=sends)
    trace_id, create_id = traced.document(_id=order_id)["traceparent"].split("-")[1:3]
    spans = [span for span in traced.collector.of_order(order_id) if span.name != "GET /orderdetails"]

    assert {span.trace_id for span in spans} == {trace_id}
    below = [span for span in spans if span.name in {SEND, PROCESS}]
    assert {span.parent for span in below} == {create_id}
    assert [span.attributes["retail.result"] for span in processed][-1] in {"processed", "duplicate"}
    return spans


def test_fast_path_is_one_trace_from_request_to_processed(traced: Traced) -> None:
    headers = traced.customer.headers | {"traceparent": CLIENT}
    placed = traced.customer.http.post("/order", json={"userid": traced.customer.name, **ORDER}, headers=headers)
    order_id = placed.json()["orderid"]
    (request,) = traced.collector.wait_for("POST /order", order_id)
    (create,) = traced.collector.wait_for(CREATE, order_id)

    spans = assert_one_trace(traced, order_id, sends=1)

    assert sorted((span.service, span.name, span.kind) for span in spans) == [
        ("order-api", "POST /order", "server"),
        ("order-api", CREATE, "producer"),
        ("order-api", SEND, "client"),
        ("order-processor", PROCESS, "consumer"),
    ]
    assert (request.parent, request.links, create.parent) == ("", (CLIENT.split("-")[1],), request.span_id)
    assert traced.sends(order_id, 1) == [("fast", 0, False)]
    (send,) = traced.collector.wait_for(SEND, order_id)
    (process,) = traced.collector.wait_for(PROCESS, order_id)
    place = ("messaging.destination.partition.id", "messaging.kafka.offset")
    assert [send.attributes[name] for name in place] == [process.attributes[name] for name in place]
    assert request.start <= create.start <= create.end <= send.start


def test_event_has_exactly_one_traceparent(traced: Traced) -> None:
    order_id = traced.customer.place()
    traced.customer.processed(order_id)

    (event,) = (m for m in topic.messages(traced.stack, TOPIC) if m.key() == order_id.encode())
    values = [value for name, value in topic.headers(event) if name == "traceparent"]
    assert values == [traced.document(_id=order_id)["traceparent"].encode()]


def test_batch_has_its_own_trace_with_links_to_its_orders(traced: Traced) -> None:
    order_id = traced.customer.place()
    (process,) = traced.collector.wait_for(PROCESS, order_id)

    def linking() -> list[ReceivedSpan]:
        return [span for span in [*traced.collector.spans] if process.trace_id in span.links]

    (batch,) = until(linking, "the span of the batch")
    assert (batch.name, batch.parent) == (f"process batch {TOPIC}", "")
    assert batch.trace_id != process.trace_id


def test_trace_continues_after_order_api_crashes_before_sending(traced: Traced, tmp_path: Path) -> None:
    with crashing_api(traced.stack, tmp_path / "log", CRASH_POINT="after-insert", TRACING_TRUST_CLIENTS="true") as url:
        headers = traced.customer.headers | {"traceparent": CLIENT, "Idempotency-Key": "doomed"}
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{url}/order", json={"userid": traced.customer.name, **ORDER}, headers=headers, timeout=35)
    order_id = traced.document(userid=traced.customer.name, **{"idempotency.key": "doomed"})["_id"]

    spans = assert_one_trace(traced, order_id, sends=1)

    assert {span.trace_id for span in spans} == {CLIENT.split("-")[1]}
    assert traced.sends(order_id, 1) == [("sweep", 1, False)]


def test_trace_continues_after_a_requeue(traced: Traced) -> None:
    with traced.processor_stopped():
        order_id = traced.customer.place()
        traced.published(order_id)
        topic.recreate(traced.stack, TOPIC)  # deletes the topic and so the event

    assert_one_trace(traced, order_id, sends=2)
    assert traced.document(_id=order_id)["rearmed"] == 1
    assert traced.sends(order_id, 2) == [("fast", 0, False), ("sweep", 1, False)]


def test_trace_continues_after_a_redrive(traced: Traced) -> None:
    with traced.processor_stopped():
        order_id = traced.customer.place()
        traced.published(order_id)
        with database(traced.stack, "order-processor") as orders:
            breaker = Breaker("mongodb", BreakerMetrics(CollectorRegistry()))
            at = datetime.now(UTC).replace(microsecond=0)
            assert OrderTransitions(orders, breaker).fail([order_id], at=at, reason="out of stock") == 1
    redrive = [str(Path(sys.executable).with_name("retail")), "dead-letters", "redrive", order_id]
    done = subprocess.run(redrive, env=traced.stack.client("operator"), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert_one_trace(traced, order_id, sends=2)
    assert traced.sends(order_id, 2) == [("fast", 0, False), ("sweep", 1, False)]


@contextmanager
def crashing_api(stack: Stack, log: Path, **environ: str) -> Iterator[str]:
    """Run another order-api and yield its address. It should crash in the context; if not, it is stopped at the end."""
    address, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    part = stack._wiring.part(Replica("order-api", 0), stack._options.extra_env["order-api"])
    own = {"HTTP_BIND": address, "ADMIN_BIND": admin, **environ}
    with log.open("wb") as output:
        process = subprocess.Popen(part.command, env={**part.environment, **own}, stdout=output, stderr=output)
    try:
        until(lambda: scrape.ready(f"http://{admin}"), "the replica that will crash", seconds=60)
        yield f"http://{address}"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
