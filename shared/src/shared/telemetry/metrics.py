"""Every metric of the system, each with a sentence. A process makes the groups it feeds, in a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class HttpMetrics:
    """What an HTTP service counts for every request."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "retail_http_requests_total", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self.duration = Histogram(
            "retail_http_request_duration_seconds",
            "Time from a request's first line to its answer, in the service.",
            ["route", "method"],
            registry=registry,
            buckets=LATENCY_BUCKETS,
        )


class BreakerMetrics:
    """The truth about every circuit breaker of this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.state = Gauge(
            "retail_circuit_breaker_state",
            "1 for the state that the breaker is in.",
            ["breaker", "state"],
            registry=registry,
        )
        self.calls = Counter(
            "retail_circuit_breaker_calls_total",
            "Calls through the breaker by result: ok, failed, rejected.",
            ["breaker", "result"],
            registry=registry,
        )
        self.transitions = Counter(
            "retail_circuit_breaker_transitions_total", "Changes of state.", ["breaker", "to"], registry=registry
        )


class CertificateMetrics:
    """When the certificates that this process relies on end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.expiry = Gauge(
            "retail_certificate_expiry_timestamp_seconds",
            "When the certificate ends, Unix time.",
            ["name"],
            registry=registry,
        )
