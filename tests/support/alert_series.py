"""Functions that build the time series of the alert tests: names and values in promtool's notation."""

from support.alerts import Case, Firing

API, AUTH, PROCESSOR = (
    f'namespace="retail", pod="shop-{service}-a"' for service in ("order-api", "auth-api", "order-processor")
)


def pod(service: str) -> dict[str, str]:
    return {"namespace": "retail", "pod": f"shop-{service}-a"}


def lag(values: str, where: str = PROCESSOR) -> dict[str, str]:
    return {f'retail_kafka_consumer_lag{{{where}, topic="orders.placed", partition="0"}}': values}


def consumed(values: str, where: str = PROCESSOR) -> dict[str, str]:
    return {f'retail_events_consumed_total{{{where}, result="processed"}}': values}


def requests(ok: str, unavailable: str) -> dict[str, str]:
    labels = f'{API}, route="/order", method="POST"'
    return {
        f'retail_http_requests_total{{{labels}, status="200"}}': ok,
        f'retail_http_requests_total{{{labels}, status="503"}}': unavailable,
    }


def proxied(unavailable: str) -> dict[str, str]:
    """Return series of a service that answers 50 requests a minute with 200, and of the proxy's own responses.

    The proxy answers 500 requests a minute with 429 for ten minutes; `unavailable` is the series of its 503 responses.
    """
    return requests("0+50x200", "0x200") | {
        f'retail_proxy_responses_total{{{API}, status="429"}}': "0+500x10 5000x190",
        f'retail_proxy_responses_total{{{API}, status="503"}}': unavailable,
    }


def processing(all_orders: str, in_time: str) -> dict[str, str]:
    return {
        f'retail_order_processing_seconds_bucket{{{PROCESSOR}, le="5.0"}}': in_time,
        f"retail_order_processing_seconds_count{{{PROCESSOR}}}": all_orders,
    }


def breaker(closed: str, calls: str, result: str = "rejected", where: str = PROCESSOR) -> dict[str, str]:
    return {
        f'retail_circuit_breaker_state{{{where}, breaker="kafka", state="closed"}}': closed,
        f'retail_circuit_breaker_calls_total{{{where}, breaker="kafka", result="{result}"}}': calls,
    }


def logins(ok: str, result: str, values: str) -> dict[str, str]:
    return {
        f'retail_logins_total{{{AUTH}, result="ok"}}': ok,
        f'retail_logins_total{{{AUTH}, result="{result}"}}': values,
    }


def gauge(name: str, values: str, where: str = API) -> dict[str, str]:
    return {f"{name}{{{where}}}": values}


def waiting(name: str, text: str, where: str = API) -> list[Case]:
    """Return a list of one case: items wait for an operator for ten hours; the alert fires only during that time."""
    return [Case(gauge(name, "0x5 2x600 0x60", where), {8: Firing(text), 600: Firing(text)}, (4, 630))]
