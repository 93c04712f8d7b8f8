"""Reads metrics and probes from the admin port of a replica."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


def samples(admin_url: str, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of the metric `name` at `admin_url`, by label values."""
    text = httpx.get(f"{admin_url}/metrics", timeout=5).raise_for_status().text
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def breaker_state(admin_url: str, breaker: str) -> str:
    """Return the state that the metrics show for this breaker; fail unless they show exactly one."""
    shown = [
        state
        for (name, state), value in samples(admin_url, "retail_circuit_breaker_state").items()
        if name == breaker and value
    ]
    assert len(shown) == 1, shown
    return shown[0]


def alive(admin_url: str) -> bool:
    """Return whether the liveness probe succeeds."""
    return _answers(admin_url, "/livez")


def ready(admin_url: str) -> bool:
    """Return whether the readiness probe succeeds."""
    return _answers(admin_url, "/readyz")


def _answers(admin_url: str, path: str) -> bool:
    try:
        return httpx.get(f"{admin_url}{path}", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
