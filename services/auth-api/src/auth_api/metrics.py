"""The metrics of auth-api."""

from prometheus_client import CollectorRegistry, Counter


class AuthMetrics:
    """Counts token requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.logins = Counter(
            "retail_logins_total",
            "Token requests by result: ok, refused, throttled, busy, unavailable.",
            ["result"],
            registry=registry,
        )
