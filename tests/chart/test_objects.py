"""The chart's objects match each other: selectors, ports, policies, budgets, references."""

from typing import Any

import pytest

from support import helm, manifests
from support.manifests import Pod, of_kind, selects

EXAMPLES = sorted((helm.CHART / "ci").glob("*-values.yaml"))
MINIMAL = helm.CHART / "ci/minimal-values.yaml"
COMPONENTS = set(helm.SERVICES)


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def resources(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return helm.rendered(request.param)


@pytest.fixture
def pods(resources: list[dict[str, Any]]) -> list[Pod]:
    return list(manifests.pods(resources))


def component(resource: dict[str, Any]) -> str:
    return str(resource["metadata"]["labels"]["app.kubernetes.io/component"])


def test_each_component_is_complete(resources: list[dict[str, Any]]) -> None:
    """Each component has a Deployment, a ServiceAccount and a NetworkPolicy; only the APIs have a Service."""
    for kind in ("Deployment", "ServiceAccount", "NetworkPolicy"):
        assert {component(r) for r in of_kind(resources, kind)} >= COMPONENTS

    assert {component(r) for r in of_kind(resources, "Service")} == {"order-api", "auth-api"}


def test_every_selector_matches_a_pod(resources: list[dict[str, Any]], pods: list[Pod]) -> None:
    """Every Service, budget, policy and monitor selects a pod, and every Deployment selects only its own pods."""
    for resource in of_kind(
        resources, "Service", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor", "PodMonitor"
    ):
        spec = resource["spec"]
        selector = spec.get("selector") or spec["podSelector"]

        assert [p.owner for p in pods if selects(selector, p.labels)], resource["metadata"]["name"]
    for deployment in of_kind(resources, "Deployment"):
        owners = [p.owner for p in pods if selects(deployment["spec"]["selector"], p.labels)]

        assert owners == [f"Deployment/{deployment['metadata']['name']}"]


def test_services_point_to_existing_ports(resources: list[dict[str, Any]], pods: list[Pod]) -> None:
    """A Service targets named ports of its pods; an HTTPRoute or Ingress targets ports of Services."""
    services = of_kind(resources, "Service")
    for service in services:
        target = next(p for p in pods if selects(service["spec"]["selector"], p.labels))

        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(target.ports)
    numbers = {(s["metadata"]["name"], port["port"]) for s in services for port in s["spec"]["ports"]}
    for route in of_kind(resources, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            assert {(ref["name"], ref["port"]) for ref in rule["backendRefs"]} <= numbers
    names = {(s["metadata"]["name"], port["name"]) for s in services for port in s["spec"]["ports"]}
    for ingress in of_kind(resources, "Ingress"):
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            backend = path["backend"]["service"]

            assert (backend["name"], backend["port"]["name"]) in names


def test_monitors_scrape_an_existing_port(resources: list[dict[str, Any]], pods: list[Pod]) -> None:
    """A ServiceMonitor names a port of the Service that it selects, a PodMonitor a port of the pods that it selects."""
    for monitor in of_kind(resources, "ServiceMonitor"):
        service = next(
            s for s in of_kind(resources, "Service") if selects(monitor["spec"]["selector"], s["metadata"]["labels"])
        )

        assert {e["port"] for e in monitor["spec"]["endpoints"]} <= {p["name"] for p in service["spec"]["ports"]}
    for monitor in of_kind(resources, "PodMonitor"):
        target = next(p for p in pods if selects(monitor["spec"]["selector"], p.labels))

        assert {e["port"] for e in monitor["spec"]["podMetricsEndpoints"]} <= set(target.ports)


def test_policies_deny_by_default_and_cover_every_port(resources: list[dict[str, Any]], pods: list[Pod]) -> None:
    """All traffic of a pod is denied by default; its policies open exactly the ports on which the pod listens."""
    policies = of_kind(resources, "NetworkPolicy")
    for pod in pods:
        mine = [p["spec"] for p in policies if selects(p["spec"]["podSelector"], pod.labels)]
        opened = {port["port"] for p in mine for rule in p.get("ingress", []) for port in rule["ports"]}

        assert [p for p in mine if set(p) == {"podSelector", "policyTypes"}], "no default deny"
        assert all(set(p["policyTypes"]) == {"Ingress", "Egress"} for p in mine)
        assert opened == set(pod.ports)


def test_every_allowed_egress_has_a_matching_ingress(resources: list[dict[str, Any]], pods: list[Pod]) -> None:
    """Each egress rule to a pod of the release has a matching ingress rule at that pod."""
    policies = of_kind(resources, "NetworkPolicy")
    pairs = 0
    for sender in pods:
        for policy in (p["spec"] for p in policies if selects(p["spec"]["podSelector"], sender.labels)):
            for rule in policy.get("egress", []):
                for peer in (peer["podSelector"] for peer in rule.get("to", []) if "podSelector" in peer):
                    for receiver in (p for p in pods if selects(peer, p.labels)):
                        pairs += 1

                        assert lets_in(policies, sender, receiver, rule["ports"][0]["port"]), (sender, receiver)
    assert pairs >= 3


def lets_in(policies: list[dict[str, Any]], sender: Pod, receiver: Pod, port: str) -> bool:
    for policy in (p["spec"] for p in policies if selects(p["spec"]["podSelector"], receiver.labels)):
        for rule in policy.get("ingress", []):
            sources = rule.get("from")
            known = sources is None or any(
                selects(s["podSelector"], sender.labels) for s in sources if "podSelector" in s
            )
            if known and port in {item["port"] for item in rule["ports"]}:
                return True
    return False


def test_replicas_are_rendered_only_if_fixed() -> None:
    """Unless the values fix the number of replicas, the autoscaler or a person sets it, and Helm must not change it."""
    deployments = {d["metadata"]["name"]: d["spec"] for v in EXAMPLES for d in of_kind(helm.rendered(v), "Deployment")}

    assert {name: spec["replicas"] for name, spec in deployments.items() if "replicas" in spec} == {
        "shop-order-processor": 1
    }


def test_scaled_deployment_has_autoscaler_and_budget(resources: list[dict[str, Any]]) -> None:
    """In the examples a service has an autoscaler and a budget, unless its number of replicas is fixed."""
    scaled = {
        hpa["spec"]["scaleTargetRef"]["name"]: hpa["spec"] for hpa in of_kind(resources, "HorizontalPodAutoscaler")
    }
    budgets = {budget["metadata"]["name"] for budget in of_kind(resources, "PodDisruptionBudget")}
    services = [d for d in of_kind(resources, "Deployment") if component(d) in COMPONENTS]
    for deployment in services:
        name = deployment["metadata"]["name"]
        containers = {c["name"] for c in deployment["spec"]["template"]["spec"]["containers"]}

        assert (name in scaled) == (name in budgets) == ("replicas" not in deployment["spec"])
        if name in scaled:
            assert scaled[name]["metrics"][0]["containerResource"]["container"] in containers
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_deployments_have_a_budget_unless_fixed_below_two_replicas() -> None:
    """Only a Deployment with a fixed number of replicas below two has no budget."""
    sets = ["autoscaling.enabled=false", "replicas=2"]
    fixed = [part for text in sets for part in ("--set", f"orderApi.{text}")]
    by_hand = ["--set", "authApi.autoscaling.enabled=false"]
    single = [
        part for text in ("autoscaling.enabled=false", "replicas=1") for part in ("--set", f"orderProcessor.{text}")
    ]
    rendered = helm.parse(helm.template("--values", str(MINIMAL), *fixed, *by_hand, *single))

    assert {component(r) for r in of_kind(rendered, "PodDisruptionBudget")} == COMPONENTS - {"order-processor"}


def test_scaling_behavior_is_merged_over_the_default() -> None:
    settings = "orderApi.autoscaling.behavior.scaleUp.selectPolicy=Disabled"
    rendered = helm.parse(helm.template("--values", str(MINIMAL), "--set", settings))
    behavior = next(
        h["spec"]["behavior"] for h in of_kind(rendered, "HorizontalPodAutoscaler") if component(h) == "order-api"
    )

    assert behavior == {"scaleUp": {"selectPolicy": "Disabled"}, "scaleDown": {"stabilizationWindowSeconds": 300}}


def test_everything_values_render_every_kind() -> None:
    """With the example everything-values.yaml, the chart renders every kind of object that it can render."""
    kinds = {r["kind"] for r in helm.rendered(helm.CHART / "ci/everything-values.yaml")}

    assert kinds == {
        *("Deployment", "Service", "ServiceAccount", "ConfigMap", "Pod"),
        *("PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"),
        *("HTTPRoute", "BackendTLSPolicy", "Ingress", "Certificate"),
        *("ServiceMonitor", "PodMonitor", "PrometheusRule"),
    }


def test_chart_creates_no_secret(resources: list[dict[str, Any]]) -> None:
    """The chart creates no Secret; the values name the Secrets that pods use."""
    assert of_kind(resources, "Secret") == []


def test_config_maps_used_by_pods_exist(resources: list[dict[str, Any]], pods: list[Pod]) -> None:
    """Each ConfigMap that a pod uses is created by the chart; a missing one would keep the pod from starting."""
    made = {r["metadata"]["name"] for r in of_kind(resources, "ConfigMap")}
    named = {v["configMap"]["name"] for p in pods for v in p.spec["volumes"] if "configMap" in v}

    assert named
    assert named <= made


def test_certificates_match_their_host_names(resources: list[dict[str, Any]]) -> None:
    """An API's TLS Secret is from a Certificate or the values; a Certificate has the host that the gateway checks."""
    certificates = {r["spec"]["secretName"]: r["spec"] for r in of_kind(resources, "Certificate")}
    for policy in of_kind(resources, "BackendTLSPolicy"):
        secret = policy["spec"]["validation"]["caCertificateRefs"][0]["name"]
        if secret in certificates:
            assert policy["spec"]["validation"]["hostname"] in certificates[secret]["dnsNames"]
    for deployment in of_kind(resources, "Deployment"):
        for volume in deployment["spec"]["template"]["spec"]["volumes"]:
            if volume["name"] == "tls":
                secret = volume["secret"]["secretName"]

                assert secret in certificates or secret.endswith(("order-api-tls", "auth-api-tls", "auth-api-own-tls"))
