"""Settings of objects other than pods: names, labels, the Helm test, hosts, Services, monitors, budgets."""

import json

from support import helm, manifests
from support.manifests import Resource, of_kind

EVERYTHING = helm.CHART / "ci/everything-values.yaml"
MINIMAL = helm.CHART / "ci/minimal-values.yaml"


def rendered(*settings: str) -> list[Resource]:
    """Render the chart with the minimal example and these settings, each as NAME=JSON."""
    return helm.parse(helm.template("--values", str(MINIMAL), *(p for s in settings for p in ("--set-json", s))))


def test_name_override_changes_names_and_selectors() -> None:
    resources = rendered('nameOverride="shop"')
    names = {d["metadata"]["name"] for d in of_kind(resources, "Deployment")}

    assert "retail-shop-order-api" in names
    for pod in manifests.pods(resources):
        assert pod.labels["app.kubernetes.io/name"] == "shop"
    for policy in of_kind(resources, "NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "shop"
    of_release = of_kind(rendered('nameOverride="retail"'), "Deployment")
    assert "retail-order-api" in {d["metadata"]["name"] for d in of_release}


def test_common_labels_reach_every_object_once() -> None:
    """Common labels replace the chart's own labels, but not those of `monitoring.labels`.

    The printed text is searched as well, because parsing YAML hides duplicates.
    """
    labels = 'commonLabels={"team":"orders","app.kubernetes.io/part-of":"shop","release":"mine"}'
    annotations = 'commonAnnotations={"example.com/owner":"x"}'
    options = [part for setting in (labels, annotations, "extraObjects=[]") for part in ("--set-json", setting)]
    result = helm.template("--values", str(EVERYTHING), *options)
    resources = helm.parse(result)

    for resource in resources:
        assert resource["metadata"]["labels"].items() >= {"team": "orders", "app.kubernetes.io/part-of": "shop"}.items()
        assert resource["metadata"]["annotations"]["example.com/owner"] == "x"
    for text in result.stdout.split("\n---"):
        for label in ("team:", "app.kubernetes.io/part-of:"):
            assert text.count(f"\n    {label}") == 1
    rule = of_kind(resources, "PrometheusRule", "ServiceMonitor")[0]
    assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_uninstall_removes_every_object_of_the_helm_test() -> None:
    """`helm uninstall` does not delete hooks: the pod is the only hook, and its policy deletes it after each test."""
    resources = [r for r in rendered() if r["metadata"]["labels"]["app.kubernetes.io/component"] == "test"]
    hooks = {r["kind"]: r["metadata"]["annotations"] for r in resources if "helm.sh/hook" in str(r["metadata"])}

    assert {r["kind"] for r in resources} == {"ServiceAccount", "ConfigMap", "NetworkPolicy", "Pod"}
    assert set(hooks) == {"Pod"}
    assert set(hooks["Pod"]["helm.sh/hook-delete-policy"].split(",")) == {
        "before-hook-creation", "hook-succeeded", "hook-failed",
    }  # fmt: skip
    assert hooks["Pod"]["helm.sh/hook-output-log-policy"] == "hook-succeeded,hook-failed"
    without = rendered("test.enabled=false")
    assert not [r for r in without if r["metadata"]["labels"]["app.kubernetes.io/component"] == "test"]


def test_ingress_serves_several_hosts() -> None:
    (ingress,) = of_kind(helm.rendered(EVERYTHING), "Ingress")
    hosts = ["orders.example.com", "shop.example.com"]

    assert [rule["host"] for rule in ingress["spec"]["rules"]] == hosts
    assert all(
        [p["path"] for p in r["http"]["paths"]] == ["/api", "/.well-known", "/"] for r in ingress["spec"]["rules"]
    )
    (one,) = of_kind(rendered('ingress={"enabled":true,"hosts":["a.example"],"tls":[{"secretName":"x"}]}'), "Ingress")
    assert one["spec"]["tls"] == [{"hosts": ["a.example"], "secretName": "x"}]


def test_services_can_be_dual_stack() -> None:
    families = 'service={"ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv6","IPv4"],"annotations":{"a":"b"}}'
    services = {
        s["metadata"]["name"]: s for s in of_kind(rendered(families, 'authApi.service={"ipFamilies":[]}'), "Service")
    }

    assert services["retail-order-api"]["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
    assert "ipFamilies" not in services["retail-auth-api"]["spec"]
    assert services["retail-auth-api"]["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert services["retail-auth-api"]["metadata"]["annotations"] == {"a": "b"}


def test_monitors_get_the_configured_timeout_and_relabelings() -> None:
    drop = [{"sourceLabels": ["pod"], "action": "labeldrop"}]
    settings = f'{{"monitors":true,"scrapeTimeout":"10s","relabelings":{json.dumps(drop)},"metricRelabelings":[]}}'
    resources = rendered(f"monitoring={settings}", 'networkPolicy.metricsPeers=[{"podSelector":{}}]')
    monitors = of_kind(resources, "ServiceMonitor", "PodMonitor")
    endpoints = [e for m in monitors for e in m["spec"].get("endpoints") or m["spec"]["podMetricsEndpoints"]]

    assert len(endpoints) == len(helm.SERVICES)
    for endpoint in endpoints:
        assert (endpoint["scrapeTimeout"], endpoint["relabelings"], endpoint["interval"]) == ("10s", drop, "30s")
        assert "metricRelabelings" not in endpoint


def test_extra_objects_are_rendered() -> None:
    text = "apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: {{ .Release.Name }}-text}"
    objects = f'extraObjects=[{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"map"}}}},"{text}"]'
    names = {c["metadata"]["name"] for c in of_kind(rendered(objects), "ConfigMap")}

    assert {"map", "retail-text"} <= names


def test_budget_can_allow_more_evictions() -> None:
    budgets = of_kind(rendered('podDisruptionBudget.maxUnavailable="25%"'), "PodDisruptionBudget")

    assert [b["spec"]["maxUnavailable"] for b in budgets] == ["25%"] * len(helm.SERVICES)
