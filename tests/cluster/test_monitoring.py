"""Prometheus in the cluster, as `make kind-up OBSERVE=1` installs it. The tests do not remove it."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from observability.boards import BOARDS
from observability.boards.orders import ORDERS
from observability.builder import OURS
from support import helm, kind, wait
from support.customer import Customer
from support.observed import GRAFANAS, Prometheus

pytestmark = pytest.mark.short

VARIABLES = GRAFANAS | {"$namespace": kind.NAMESPACE, "$__rate_interval": "1m"}


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    done = subprocess.run([kind.ROOT / "k8s/kind-observe.sh"], capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    with (
        kind.forwarded("service/prometheus-operated", 9090, namespace="monitoring") as port,
        Prometheus(f"http://127.0.0.1:{port}", VARIABLES) as prometheus,
    ):
        yield prometheus


def test_every_replica_is_scraped(prometheus: Prometheus) -> None:
    def scraped() -> set[str]:
        return {sample["metric"]["pod"] for sample in prometheus.query(f'up{{namespace="{kind.NAMESPACE}"}} == 1')}

    replicas = {pod["metadata"]["name"] for component in kind.COMPONENTS for pod in kind.pods(component)}
    wait.until(lambda: replicas <= scraped(), f"scrapes of {sorted(replicas)}", seconds=90, every=1)


def test_every_alert_of_the_chart_is_evaluated(prometheus: Prometheus) -> None:
    groups = yaml.safe_load((helm.CHART / "files/alerts.yaml").read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}

    def healthy() -> set[str]:
        ours = f'namespace="{kind.NAMESPACE}"'
        return {rule["name"] for rule in prometheus.alert_rules() if rule["health"] == "ok" and ours in rule["query"]}

    wait.until(lambda: alerts <= healthy(), f"evaluation of {sorted(alerts)}", seconds=120, every=1)


def test_every_query_of_the_orders_board_returns_data(prometheus: Prometheus, customer: Customer) -> None:
    queries = {
        f"{panel.title}: {legend}": query.replace("OURS", OURS)
        for panel in ORDERS.panels
        for legend, query in panel.queries.items()
    }
    customer.processed(customer.place())

    def empty() -> list[str]:
        return [name for name, query in queries.items() if not prometheus.query(query)]

    try:
        wait.until(lambda: not empty(), "data in every panel", seconds=90, every=2)
    except AssertionError:
        raise AssertionError(f"no data: {empty()}") from None


@pytest.mark.usefixtures("prometheus")
def test_config_maps_that_grafana_reads_contain_every_board() -> None:
    """Grafana's sidecar reads every ConfigMap with the label `grafana_dashboard`, in all namespaces."""
    found: list[dict[str, Any]] = [
        item for item in kind.list_of("configmaps") if item["metadata"].get("labels", {}).get("grafana_dashboard")
    ]

    assert {name for item in found for name in item["data"]} == {f"{board.name}.json" for board in BOARDS}
