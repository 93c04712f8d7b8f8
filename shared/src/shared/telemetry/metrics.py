"""Every metric of the system, each with a sentence. A process makes the groups it feeds, in a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PROCESSING_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 3600)


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


class ProcessorMetrics:
    """What order-processor counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.processed = Counter("retail_orders_processed_total", "Orders moved to PROCESSED.", registry=registry)
        self.failed = Counter(
            "retail_orders_failed_total",
            "Orders moved to FAILED by reason: refused (a rule), error.",
            ["reason"],
            registry=registry,
        )
        for reason in ("refused", "error"):
            self.failed.labels(reason)  # from zero: a rise that begins a series is none to Prometheus
        self.processing = Histogram(
            "retail_order_processing_seconds",
            "Time from an order's placing, by its event, to PROCESSED.",
            registry=registry,
            buckets=PROCESSING_BUCKETS,
        )
        self.consumed = Counter(
            "retail_events_consumed_total",
            "Events handled by result: processed, failed, duplicate, dead_letter.",
            ["result"],
            registry=registry,
        )
        for result in ("processed", "failed", "duplicate", "dead_letter"):
            self.consumed.labels(result)  # the same
        self.rearmed = Counter(
            "retail_outbox_requeued_total",
            "Orders whose event was lost and is to be published again.",
            registry=registry,
        )
        self.stuck = Gauge(
            "retail_orders_stuck", "Orders given their marker back five times or more.", registry=registry
        )
        self.lag = Gauge(
            "retail_kafka_consumer_lag",
            "Events not yet handled, of the partitions held here.",
            ["topic", "partition"],
            registry=registry,
        )


class AuthMetrics:
    """What auth-api counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.logins = Counter(
            "retail_logins_total",
            "Requests for a token by result: ok, refused, throttled, busy, unavailable.",
            ["result"],
            registry=registry,
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
