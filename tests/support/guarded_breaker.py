"""A circuit breaker, for which the tests decide the time and the outcome of each call."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from shared.resilience.breaker import CONSECUTIVE_FAILURES, Breaker
from shared.telemetry.metrics import BreakerMetrics

STATES = ("closed", "open", "half_open")


class Expected(Exception):  # noqa: N818
    """An expected error of the dependency, which counts as ok."""


@dataclass
class Guarded:
    """A breaker, its clock and its metrics."""

    time: float = 1000.0
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            "db",
            BreakerMetrics(self.registry),
            is_failure=lambda error: not isinstance(error, Expected),
            clock=lambda: self.time,
        )

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().failed()

    def succeed(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().ok()

    def opened(self) -> "Guarded":
        self.fail(CONSECUTIVE_FAILURES)
        return self

    def shown(self) -> list[str]:
        return [s for s in STATES if self.value("retail_circuit_breaker_state", state=s) == 1]

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, {"breaker": "db"} | labels) or 0.0
