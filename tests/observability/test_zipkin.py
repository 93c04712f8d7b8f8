"""The traces of a system under load, read from a real Zipkin by its API."""

from typing import Any

import httpx

from local_stack.stack import Stack
from support.customer import Customer, https
from support.wait import until

ORDER_SPANS = {
    ("order-api", "post /order"),
    ("order-api", "create orders.placed"),
    ("order-api", "send orders.placed"),
    ("order-processor", "process orders.placed"),
}


def get(stack: Stack, path: str, **query: str) -> Any:
    answer = httpx.get(f"{stack.observer_url('zipkin')}/api/v2/{path}", params=query, timeout=20, trust_env=False)
    return answer.raise_for_status().json()


def test_every_span_of_an_order_is_in_one_trace(stack: Stack) -> None:
    assert "zipkin" in stack.parts, "this test needs Zipkin, which is downloaded from Maven Central"
    with https(stack.base_url, stack.ca) as http:
        order_id = Customer(http).place()

    def complete() -> list[list[dict[str, Any]]]:
        traces: list[list[dict[str, Any]]] = get(stack, "traces", annotationQuery=f"retail.order.id={order_id}")
        return traces if names(traces) >= ORDER_SPANS else []

    (trace,) = until(complete, f"the spans of the order {order_id}")
    ids = {span["id"] for span in trace}
    assert [span["name"] for span in trace if span.get("parentId") not in ids] == ["post /order"]


def names(traces: list[list[dict[str, Any]]]) -> set[tuple[str, str]]:
    return {(span["localEndpoint"]["serviceName"], span["name"]) for trace in traces for span in trace}


def test_all_three_services_export_to_zipkin(stack: Stack) -> None:
    assert get(stack, "services") == ["auth-api", "order-api", "order-processor"]
