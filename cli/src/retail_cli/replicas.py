"""The circuit breakers of running replicas, as their admin ports tell them."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from retail_cli.reports import Breaker, BreakersReport, Replica
from shared.config.settings import SettingsError

LOCAL_STACK = Path(".local/stack.json")
TIMEOUT_SECONDS = 3.0
AT_A_TIME = 16


def from_stack(path: Path) -> list[tuple[str, str]]:
    """Return (name, admin URL) of each replica in a stack.json; raise SettingsError if it is not one."""
    try:
        services = json.loads(path.read_bytes())["services"]
        return [(f"{service['name']}-{service['replica']}", service["admin_url"]) for service in services]
    except FileNotFoundError:
        raise SettingsError(f"there is no {path}: start the local stack, or name replicas with --admin URL") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{path} does not describe a stack: {error!r}") from None


def ask(replicas: Sequence[tuple[str, str]]) -> BreakersReport:
    """Ask all replicas, some at a time, at most 3 s for each step of one; a replica that is away is in the report."""
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client, ThreadPoolExecutor(AT_A_TIME) as pool:
        return BreakersReport(list(pool.map(lambda replica: _ask(client, *replica), replicas)))


def _ask(client: httpx.Client, name: str, admin_url: str) -> Replica:
    try:
        answer = client.get(f"{admin_url.rstrip('/')}/metrics", headers={"Accept": "text/plain"})
        answer.raise_for_status()
        return Replica(name, admin_url, None, read(answer.text))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return Replica(name, admin_url, str(error).splitlines()[0] if str(error) else type(error).__name__, [])


def read(metrics: str) -> list[Breaker]:
    """Find the breakers in a page of metrics in Prometheus's text format; raise ValueError if it is none."""
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
