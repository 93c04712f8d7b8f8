"""The circuit breakers of running replicas, read from the metrics at their admin ports."""

import http.client
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from retail_cli.local_files import StackServices, read_stack
from retail_cli.reports import Breaker, BreakersReport, Replica

TIMEOUT_SECONDS = 3.0
AT_A_TIME = 16
MAX_BYTES = 4 * 1024 * 1024


def from_stack(path: Path | None) -> list[tuple[str, str]]:
    """Return (name, admin URL) of each replica in a stack.json; raise SettingsError if it is missing or damaged."""
    services = read_stack(path, StackServices, instead="--admin URL").services
    return [(f"{service.name}-{service.replica}", service.admin_url) for service in services]


def read_breakers(replicas: Sequence[tuple[str, str]]) -> BreakersReport:
    """Read the breakers of replicas, given as (name, admin URL). A replica that cannot be read is in the report too.

    16 replicas are read at a time, each with a timeout of 3 s.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return BreakersReport(list(pool.map(lambda replica: _read_replica(*replica), replicas)))


def _read_replica(name: str, admin_url: str) -> Replica:
    try:
        return Replica(name, admin_url, None, parse_breakers(_get(f"{admin_url.rstrip('/')}/metrics")))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Replica(name, admin_url, str(error).splitlines()[0] if str(error) else type(error).__name__, [])


def _get(url: str) -> str:
    """Return the text of a page, fetched without a proxy; raise OSError, HTTPException or ValueError."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is not an HTTP address")
    request = urllib.request.Request(url, headers={"Accept": "text/plain"})  # noqa: S310 - checked above
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
        page: bytes = response.read(MAX_BYTES)
    return page.decode()


def parse_breakers(metrics: str) -> list[Breaker]:
    """Return the breakers in a page of metrics in Prometheus's text format; raise ValueError for another format."""
    samples = [sample for family in text_string_to_metric_families(metrics) for sample in family.samples]
    states = {
        s.labels["breaker"]: s.labels["state"]
        for s in samples
        if s.name == "retail_circuit_breaker_state" and s.value == 1
    }
    return [
        Breaker(
            breaker=name,
            state=state,
            ok=_count(samples, "retail_circuit_breaker_calls_total", breaker=name, result="ok"),
            failed=_count(samples, "retail_circuit_breaker_calls_total", breaker=name, result="failed"),
            rejected=_count(samples, "retail_circuit_breaker_calls_total", breaker=name, result="rejected"),
            opened=_count(samples, "retail_circuit_breaker_transitions_total", breaker=name, to="open"),
        )
        for name, state in sorted(states.items())
    ]


def _count(samples: Sequence[Sample], name: str, **labels: str) -> int:
    return int(next((s.value for s in samples if s.name == name and s.labels == labels), 0))
