"""Names and values that the chart, k8s/ and the code share are equal everywhere."""

import importlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

import retail_cli.settings
from order_api.currencies import TWO_DECIMALS
from shared.config.settings import variables
from shared.ordering import events
from shared.telemetry import metrics
from shared.telemetry.registry import new_registry
from support import alerts, helm, manifests
from support.manifests import of_kind
from support.strimzi import METRICS as STRIMZI

KIND = helm.CHART / "ci/kind-values.yaml"
EVERYTHING = helm.CHART / "ci/everything-values.yaml"
CERT_MANAGERS = {"certmanager_certificate_expiration_timestamp_seconds"}  # exported by cert-manager
PROMETHEUS = {"up"}  # created by Prometheus for each target
PACKAGES = {service: service.replace("-", "_") for service in helm.SERVICES}
METRICS = (
    metrics,
    *(importlib.import_module(f"{p}.metrics") for p in PACKAGES.values() if importlib.util.find_spec(f"{p}.metrics")),
)
SETTINGS = {
    service: importlib.import_module(f"{package}.settings").Settings for service, package in PACKAGES.items()
} | {"operator": retail_cli.settings.OperatorSettings}


@pytest.mark.parametrize("service", SETTINGS)
@pytest.mark.parametrize("values", [KIND, EVERYTHING], ids=lambda path: path.stem)
def test_pod_sets_every_required_variable_and_no_unknown_one(service: str, values: Path) -> None:
    """A pod sets each mandatory variable of its service, no unknown one, and secrets only as files."""
    known = {variable.name: variable for variable in variables(SETTINGS[service])}
    pod = next(p for p in manifests.pods(helm.rendered(values)) if p.owner.endswith(service))
    given = {item["name"] for item in pod.spec["containers"][0]["env"]} - {"EXAMPLE"}
    secret = {f"{name}_FILE" for name, variable in known.items() if variable.secret}

    assert given - secret <= {name for name, variable in known.items() if not variable.secret}
    assert {n if not v.secret else f"{n}_FILE" for n, v in known.items() if v.default is None} <= given


@pytest.mark.parametrize("service", SETTINGS)
def test_files_named_by_variables_are_mounted(service: str) -> None:
    """The paths in a pod's variables are exactly the files that its volume of secrets contains."""
    pod = next(p for p in manifests.pods(helm.rendered(KIND)) if p.owner.endswith(service))
    secrets = next(v for v in pod.spec["volumes"] if v["name"] == "secrets")["projected"]["sources"]
    files = {f"/etc/retail/{item['path']}" for source in secrets for item in source["secret"]["items"]}
    named = {e["value"] for e in pod.spec["containers"][0]["env"] if e["value"].startswith("/etc/retail/")}

    assert named == files


def test_kind_and_production_admit_the_same_pods_to_kafka() -> None:
    """k8s/kind and k8s/production both list the pods that may use Kafka, and the lists are equal."""
    peers = []
    for folder in ("kind", "production"):
        (kafka,) = of_kind(helm.kustomized(helm.ROOT / "k8s" / folder), "Kafka")
        peers.append([listener["networkPolicyPeers"] for listener in kafka["spec"]["kafka"]["listeners"]])

    assert peers[0] == peers[1]


def test_kafka_admits_pods_without_the_uses_kafka_label() -> None:
    """Pods of earlier releases lack this label, and still need Kafka during an upgrade or a rollback."""
    (kafka,) = of_kind(helm.kustomized(helm.ROOT / "k8s/kind"), "Kafka")
    selectors = [peer["podSelector"] for peer in kafka["spec"]["kafka"]["listeners"][0]["networkPolicyPeers"]]
    (earlier,) = [s for s in selectors if "retail-orders/uses-kafka" not in s["matchLabels"]]

    assert earlier["matchExpressions"][0]["values"] == ["order-api", "order-processor", "operator"]


def test_topics_match_the_code() -> None:
    """k8s/ defines exactly the code's two topics; they have 1 replica on kind and 3 in production."""
    for folder, replicas in (("kind", 1), ("production", 3)):
        topics = {
            t["metadata"]["name"]: t["spec"] for t in of_kind(helm.kustomized(helm.ROOT / "k8s" / folder), "KafkaTopic")
        }

        assert set(topics) == {events.TOPIC, events.DEAD_LETTER_TOPIC}
        assert {spec["replicas"] for spec in topics.values()} == {replicas}


def test_kafka_users_match_the_services() -> None:
    """The values name exactly the KafkaUsers, as users and as Secrets; the users' rights name the code's topics."""
    users = {u["metadata"]["name"]: u["spec"] for u in of_kind(helm.kustomized(helm.ROOT / "k8s/kind"), "KafkaUser")}
    values = yaml.safe_load(KIND.read_text())
    defaults = yaml.safe_load((helm.CHART / "values.yaml").read_text())

    components = [
        name for name, value in defaults.items() if isinstance(value, dict) and "username" in value.get("kafka", {})
    ]

    assert len(components) >= 3
    assert set(users) == {defaults[component]["kafka"]["username"] for component in components}
    assert set(users) == {values[component]["kafka"]["existingSecret"] for component in components}
    named = {
        (a["resource"]["type"], a["resource"].get("name")) for u in users.values() for a in u["authorization"]["acls"]
    }
    assert {name for kind, name in named if kind == "topic"} == {events.TOPIC, events.DEAD_LETTER_TOPIC}
    assert events.GROUP in {name for kind, name in named if kind == "group"}


def test_mongodb_of_kind_offers_no_zlib_and_runs_no_javascript() -> None:
    stateful = of_kind(helm.kustomized(helm.ROOT / "k8s/kind"), "StatefulSet")
    (container,) = [c for s in stateful for c in s["spec"]["template"]["spec"]["containers"] if c["name"] == "mongodb"]

    assert "--networkMessageCompressors=snappy,zstd" in container["args"]
    assert "--noscripting" in container["args"]


def test_every_mongodb_role_has_a_secret_and_a_user() -> None:
    """The set-up Job gets a password for the user of each role, and each service and the operator has a role."""
    roles = json.loads((helm.ROOT / "k8s/mongodb/roles.json").read_text())
    job = next(r for r in helm.kustomized(helm.ROOT / "k8s/kind") if r["kind"] == "Job")
    sources = job["spec"]["template"]["spec"]["volumes"][1]["projected"]["sources"]
    users = {i["path"].removeprefix("users/") for s in sources for i in s["secret"]["items"] if "users/" in i["path"]}

    assert users == set(roles)
    assert set(SETTINGS) <= set(roles)


def test_versions_match_the_versions_file() -> None:
    """The versions of Kafka, MongoDB, nginx and the Gateway API equal those in k8s/versions.env."""
    lines = (helm.ROOT / "k8s/versions.env").read_text().splitlines()
    versions = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    values = yaml.safe_load((helm.CHART / "values.yaml").read_text())
    resources = helm.kustomized(helm.ROOT / "k8s/kind") + helm.kustomized(helm.ROOT / "k8s/production")
    images = {c["image"] for p in manifests.pods(resources) for c in p.containers}

    assert {k["spec"]["kafka"]["version"] for k in of_kind(resources, "Kafka")} == {versions["KAFKA"]}
    assert f"mongo:{versions['MONGODB']}" in images
    assert values["proxy"]["image"]["tag"] == versions["NGINX"]
    definition = json.loads((helm.ROOT / "tests/chart/schemas/gateways.gateway.networking.k8s.io.json").read_text())
    assert definition["metadata"]["annotations"]["gateway.networking.k8s.io/bundle-version"] == versions["GATEWAY_API"]


def test_readme_is_generated_from_the_values() -> None:
    """The chart's README equals the output of `make chart-docs`."""
    spec = importlib.util.spec_from_file_location("chart_readme", helm.CHART / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert (helm.CHART / "README.md").read_text() == module.readme()


def series(registry: CollectorRegistry) -> set[str]:
    """Return the names of all series that the registry exports."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"]}
    return {family.name + suffix for family in registry.collect() for suffix in suffixes.get(family.type, [""])}


def metrics_in_code() -> set[str]:
    """Create the metrics of every module of the code, and return the names of their series in Prometheus."""
    names = series(new_registry("order-api"))
    for module in METRICS:
        registry = CollectorRegistry()
        for group in vars(module).values():
            if isinstance(group, type) and group.__module__ == module.__name__:
                group(registry)
        names |= series(registry)
    return names


def expressions() -> list[str]:
    """Return every PromQL expression of the rules, and of the panels of the dashboards."""
    resources: list[dict[str, Any]] = helm.rendered(EVERYTHING)
    found = [
        rule["expr"]
        for resource in of_kind(resources, "PrometheusRule")
        for group in resource["spec"]["groups"]
        for rule in group["rules"]
    ]
    for file in (helm.CHART / "dashboards").glob("*.json"):
        dashboard = json.loads(file.read_text())
        found += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return found


def test_alerts_and_dashboards_use_existing_metrics() -> None:
    """Each metric in a query comes from the code, a recording rule, cert-manager, Prometheus or Strimzi."""
    used = {name for text in expressions() for name in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=\{)", text)}
    for names in re.findall(r'__name__=~"([^"]+)"', " ".join(expressions())):
        used |= {*names.split("|")}
    recorded = {rule["record"] for group in alerts.spec()["groups"] for rule in group["rules"] if "record" in rule}

    assert len(used) >= 20
    assert recorded
    assert used <= metrics_in_code() | recorded | CERT_MANAGERS | PROMETHEUS | STRIMZI


def test_every_service_has_an_alert_for_its_absence() -> None:
    """Each service has an alert for its absence, and CertificateExpired watches the certificate of each API."""
    rules = alerts.alerts()
    certificate = rules["CertificateExpired"]["expr"]
    absent = {name: rule["expr"] for name, rule in rules.items() if name.endswith("Absent")}
    apis = [service for service in helm.SERVICES if service.endswith("-api")]

    assert apis
    for service in helm.SERVICES:
        assert any(f"shop-{service}-" in expression for expression in absent.values()), service
    assert all(api in certificate for api in apis)


def test_every_alert_has_a_runbook() -> None:
    """Each alert's runbook address has the anchor of a heading in docs/operations.md."""
    rules = [
        rule
        for resource in of_kind(helm.rendered(EVERYTHING), "PrometheusRule")
        for group in resource["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    runbooks = alerts.runbooks()

    assert rules
    for rule in rules:
        assert rule["annotations"]["runbook_url"].partition("#")[2] in runbooks, rule["alert"]


def test_chart_accepts_exactly_the_currencies_of_order_api() -> None:
    schema = json.loads((helm.CHART / "values.schema.json").read_text())
    enum = schema["properties"]["orderApi"]["properties"]["currencies"]["items"]["enum"]

    assert set(enum) == TWO_DECIMALS
