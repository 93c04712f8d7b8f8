"""A stack under load that a real Prometheus scrapes, with shorter durations in the alerts."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from local_stack.stack import Stack
from support import scrape, wait
from support.customer import Customer, https

DIVISOR = 20  # 5 minutes become 15 seconds
SCRAPE_SECONDS = 2
PAUSE_SECONDS = 0.2
GRAFANAS = {"$__rate_interval": "10s", "$namespace": "local", "$job": ".+", "$pod": ".+"}


@dataclass
class Prometheus:
    """Queries Prometheus; as a context manager it closes its connections."""

    url: str
    variables: Mapping[str, str] = field(default_factory=lambda: GRAFANAS)
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20, trust_env=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of a query, with Grafana's variables replaced."""
        for variable, value in self.variables.items():
            expression = expression.replace(variable, value)
        answer = self._http.get(f"{self.url}/api/v1/query", params={"query": expression})
        content = answer.json()
        assert content["status"] == "success", (expression, content)
        result: list[dict[str, Any]] = content["data"]["result"]
        return result

    def value(self, expression: str) -> float | None:
        """Return the value of a query with one result, or None without a result."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = self._http.get(f"{self.url}/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def alert_rules(self) -> list[dict[str, Any]]:
        """Return the alert rules that Prometheus has loaded."""
        groups = self._http.get(f"{self.url}/api/v1/rules", params={"type": "alert"}).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def await_firing(self, *names: str, seconds: float = 90) -> None:
        """Wait until all these alerts fire at the same time."""
        wait.until(lambda: set(names) <= self.firing(), f"{names} to fire", seconds=seconds, every=0.5)

    def await_quiet(self, seconds: float = 120) -> None:
        """Wait until no alert fires."""
        try:
            wait.until(lambda: not self.firing(), "no alert", seconds=seconds, every=0.5)
        except AssertionError:
            raise AssertionError(f"still firing: {self.firing()}") from None


class Watch:
    """While its context lasts, collects the names of all alerts that fire."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.fired: set[str] = set()
        self._prometheus = prometheus
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.fired |= self._prometheus.firing()

    def _run(self) -> None:
        while not self._stop.wait(SCRAPE_SECONDS):
            self.fired |= self._prometheus.firing()


@contextmanager
def load(stack: Stack) -> Iterator[None]:
    """Place and read orders, and log in, until the context ends; failures are ignored."""
    stop, registering = threading.Event(), threading.Lock()

    def run(use: Callable[[Customer, int], object]) -> None:
        with https(stack.base_url, stack.ca, timeout=10) as http:
            with registering:  # one address may register only a few customers at a time
                customer = Customer(http)
            turn = 0
            while not stop.wait(PAUSE_SECONDS):
                turn += 1
                try:
                    use(customer, turn)
                except httpx.HTTPError:
                    continue

    threads = [threading.Thread(target=run, args=(use,), daemon=True) for use in (_shop, _shop, _log_in)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)


def _shop(customer: Customer, turn: int) -> None:
    answer = customer.post()
    if answer.status_code == 200:
        customer.get(orderid=answer.json()["orderid"], **({"wait": 1} if turn % 5 == 0 else {}))
    if turn % 5 == 1:
        customer.get(userid=customer.name)


def _log_in(customer: Customer, turn: int) -> None:
    if turn % 3 == 0:  # each login hashes the password, which costs much CPU time
        customer.http.get("/api/token", auth=(customer.name, customer.password))


def breaker_states(stack: Stack) -> dict[tuple[str, str], tuple[str, float]]:
    """Return each breaker's state and number of state changes, as its replica reports them, by pod and breaker."""
    states = {}
    for service in stack.file["services"]:
        pod = f"retail-{service['name']}-{service['replica']}"
        shown = scrape.samples(service["admin_url"], "retail_circuit_breaker_state")
        changes = scrape.samples(service["admin_url"], "retail_circuit_breaker_transitions_total")
        for (breaker, state), value in shown.items():
            if value:
                count = sum(number for (name, _), number in changes.items() if name == breaker)
                states[pod, breaker] = (state, count)
    return states


def breakers_agree(stack: Stack, prometheus: Prometheus) -> float:
    """Assert that Prometheus shows the breaker states that the replicas report; return the number of state changes.

    Only breakers whose state is the same before and after a scrape are compared.
    """
    before, looked_at = breaker_states(stack), time.time()
    time.sleep(2.5 * SCRAPE_SECONDS)
    shown = {
        (sample["metric"]["pod"], sample["metric"]["breaker"]): sample["metric"]["state"]
        for sample in prometheus.query("timestamp(retail_circuit_breaker_state == 1)")
        if float(sample["value"][1]) > looked_at
    }
    after = breaker_states(stack)
    steady = {key: state for key, (state, count) in before.items() if key in shown and after.get(key) == (state, count)}
    assert {key: shown[key] for key in steady} == steady
    return sum(count for _, count in after.values())
