"""The metrics that several services export; each service creates them in its own registry."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class HttpMetrics:
    """HTTP requests and their duration."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "retail_http_requests_total",
            "HTTP requests by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self.duration = Histogram(
            "retail_http_request_duration_seconds",
            "Time in the service from the start of a request to its response.",
            ["route", "method"],
            registry=registry,
            buckets=LATENCY_BUCKETS,
        )
        self.held_duration = Histogram(
            "retail_http_held_request_duration_seconds",
            "Time in the service of requests with wait=SECONDS, which only this histogram contains.",
            ["route", "method"],
            registry=registry,
            buckets=LATENCY_BUCKETS,
        )


class ProxyMetrics:
    """The responses that the proxy in front of this process sends by itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.responses = Counter(
            "retail_proxy_responses_total",
            "Responses of the proxy itself, which reach no service, by status. In a pod, those of its own proxy; on one"
            " machine, those of the only proxy, by the first replica of order-api.",
            ["status"],
            registry=registry,
        )


class ResourceMetrics:
    """How full the bounded resources of this process are: threads, slots for hashes and long polls, and queues."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._in_use = Gauge(
            "retail_resource_in_use",
            "How much of a bounded resource is in use: threads, places or queued events.",
            ["resource"],
            registry=registry,
        )
        self._limit = Gauge(
            "retail_resource_limit",
            "The size of the bounded resource.",
            ["resource"],
            registry=registry,
        )

    def track(self, resource: str, limit: int) -> Gauge:
        """Export the limit of a resource; return the gauge of its use, which the caller increments and decrements."""
        self._limit.labels(resource).set(limit)
        return self._in_use.labels(resource)

    def watch(self, resource: str, limit: int, in_use: Callable[[], float]) -> None:
        """Export the limit of a resource and `in_use()`, which is called at each scrape, from any thread."""
        self.track(resource, limit).set_function(in_use)


class BreakerMetrics:
    """The circuit breakers of this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.state = Gauge(
            "retail_circuit_breaker_state",
            "1 for the current state of the breaker, 0 for the others.",
            ["breaker", "state"],
            registry=registry,
        )
        self.calls = Counter(
            "retail_circuit_breaker_calls_total",
            "Calls by result: ok, failed, rejected (not attempted).",
            ["breaker", "result"],
            registry=registry,
        )
        self.transitions = Counter(
            "retail_circuit_breaker_transitions_total",
            "State changes by new state.",
            ["breaker", "to"],
            registry=registry,
        )


class CertificateMetrics:
    """The expiry of the certificates that this process relies on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.expiry = Gauge(
            "retail_certificate_expiry_timestamp_seconds",
            "When the certificate expires, as Unix time; 0 if it cannot be read.",
            ["name"],
            registry=registry,
        )
