"""Settings that most charts have: at the top level for every pod, under a component only for its pods."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from support import helm
from support.manifests import Resource, of_kind

OPERATOR = ["operator.enabled=true", "operator.mongodb.existingSecret=m", "operator.kafka.existingSecret=k"]
MINIMAL = helm.CHART / "ci/minimal-values.yaml"
KEYS = {name: helm.key(name) for name in (*helm.SERVICES, "operator", "test")}
VOLUME = {"name": "extra", "configMap": {"name": "extra"}}
MOUNT = {"name": "extra", "mountPath": "/extra"}
SPREAD = {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
SETTINGS: dict[str, Any] = {
    "podLabels": {"team": "orders"},
    "podAnnotations": {"example.com/note": "x"},
    "extraEnv": [{"name": "EXTRA", "value": "x"}],
    "envFrom": [{"configMapRef": {"name": "extra"}}],
    "extraVolumes": [VOLUME],
    "extraVolumeMounts": [MOUNT],
    "priorityClassName": "high",
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [SPREAD],
    "podSecurityContext": {"runAsUser": 2000},
    "containerSecurityContext": {"runAsUser": 2000},
    "serviceAccount": {"create": False, "name": "shared"},
}


@cache
def rendered(*settings: str) -> list[Resource]:
    """Render the minimal example with the operator and these settings, each as NAME=JSON."""
    options = [part for text in OPERATOR for part in ("--set", text)]
    options += [part for text in settings for part in ("--set-json", text)]
    return helm.parse(helm.template("--values", str(MINIMAL), *options))


def pods(resources: list[Resource]) -> dict[str, tuple[Resource, Resource]]:
    """Return metadata and spec of each pod, by component."""
    found = {}
    for resource in resources:
        if resource["kind"] in {"Deployment", "Pod"}:
            pod = resource["spec"]["template"] if resource["kind"] == "Deployment" else resource
            found[pod["metadata"]["labels"]["app.kubernetes.io/component"]] = (pod["metadata"], pod["spec"])
    return found


def shown(pod: tuple[Resource, Resource]) -> dict[str, Any]:
    """Return the pod's value for each key of `SETTINGS`."""
    metadata, spec = pod
    own = spec["containers"][0]
    spread = [{key: c[key] for key in SPREAD} for c in spec["topologySpreadConstraints"]]
    return {
        **{key: spec.get(key) for key in SETTINGS},
        "podLabels": metadata["labels"],
        "podAnnotations": metadata["annotations"],
        "extraEnv": own.get("env", []),
        "envFrom": own.get("envFrom", []),
        "extraVolumes": spec["volumes"],
        "extraVolumeMounts": own["volumeMounts"],
        "topologySpreadConstraints": spread,
        "podSecurityContext": spec["securityContext"],
        "containerSecurityContext": own["securityContext"],
        "serviceAccount": {"create": False, "name": spec["serviceAccountName"]},
    }


def has(pod: tuple[Resource, Resource], key: str) -> bool:
    """Return whether a pod has the value of `SETTINGS[key]`, alone or among other entries."""
    value, found = SETTINGS[key], shown(pod)[key]
    if isinstance(value, dict):
        return bool(found is not None and value.items() <= found.items())
    return bool(value[0] in (found or []) if isinstance(value, list) else value == found)


@pytest.mark.parametrize("key", SETTINGS)
def test_top_level_setting_applies_to_every_pod(key: str) -> None:
    before = pods(rendered())
    after = pods(rendered(f"{key}={json.dumps(SETTINGS[key])}"))

    assert set(after) == set(KEYS)
    assert [name for name in KEYS if has(before[name], key)] == []
    assert [name for name in KEYS if not has(after[name], key)] == []


@pytest.mark.parametrize("component", KEYS)
def test_component_setting_applies_only_to_its_pod(component: str) -> None:
    settings = [f"{KEYS[component]}.{key}={json.dumps(value)}" for key, value in SETTINGS.items()]
    after = pods(rendered(*settings))

    assert {key: [name for name in KEYS if has(after[name], key)] for key in SETTINGS} == {
        key: [component] for key in SETTINGS
    }


def test_number_or_boolean_in_extra_env_becomes_text() -> None:
    """Kubernetes rejects a variable whose value is not a string."""
    given = {"A": 2, "B": 20000000, "C": 0.5, "D": True, "E": "1e3", "F": ""}
    entries = [{"name": name, "value": value} for name, value in given.items()]
    after = pods(rendered(f"extraEnv={json.dumps(entries)}"))
    found = {
        name: {item["name"]: item["value"] for item in shown(pod)["extraEnv"] if item["name"] in given}
        for name, pod in after.items()
    }

    texts = {"A": "2", "B": "20000000", "C": "0.5", "D": "true", "E": "1e3", "F": ""}
    assert found == dict.fromkeys(KEYS, texts)


def test_component_maps_are_merged_and_null_removes_a_key(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    own = {"orderApi": {"nodeSelector": {"disk": None, "gpu": "no"}, "podSecurityContext": {"fsGroup": None}}}
    values.write_text(json.dumps({"nodeSelector": {"disk": "ssd", "zone": "a"}} | own))
    found = pods(helm.parse(helm.template("--values", str(MINIMAL), "--values", str(values))))

    assert found["order-api"][1]["nodeSelector"] == {"zone": "a", "gpu": "no"}
    assert found["auth-api"][1]["nodeSelector"] == {"disk": "ssd", "zone": "a"}
    assert "fsGroup" not in found["order-api"][1]["securityContext"]
    assert found["order-api"][1]["securityContext"]["runAsNonRoot"] is True
    assert found["auth-api"][1]["securityContext"]["fsGroup"] == 10001


def test_user_ids_can_be_left_to_openshift() -> None:
    """OpenShift's restricted-v2 SCC rejects a fixed user id; the rest of the security context is unchanged."""
    for _, spec in pods(rendered('podSecurityContext={"runAsUser":null,"runAsGroup":null,"fsGroup":null}')).values():
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        for container in spec["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_probes_have_settable_timings() -> None:
    found = pods(rendered('readinessProbe={"periodSeconds":9}', 'authApi.readinessProbe={"timeoutSeconds":1}'))
    service, proxy = found["order-api"][1]["containers"]
    own = found["auth-api"][1]["containers"][0]["readinessProbe"]

    assert (service["readinessProbe"]["periodSeconds"], proxy["readinessProbe"]["periodSeconds"]) == (9, 9)
    assert service["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert (own["periodSeconds"], own["timeoutSeconds"], own["failureThreshold"]) == (9, 1, 2)


def test_service_accounts_have_settable_names_and_annotations() -> None:
    resources = rendered(
        'serviceAccount.annotations={"example.com/role":"reader"}', 'orderApi.serviceAccount={"name":"orders"}',
        'authApi.serviceAccount={"create":false}',
    )  # fmt: skip
    accounts = {a["metadata"]["name"]: a for a in of_kind(resources, "ServiceAccount")}
    used = {name: spec["serviceAccountName"] for name, (_, spec) in pods(resources).items()}

    assert set(accounts) == {"orders", "retail-order-processor", "retail-operator", "retail-test"}
    assert accounts["orders"]["metadata"]["annotations"] == {"example.com/role": "reader"}
    assert (used["order-api"], used["auth-api"]) == ("orders", "default")


def test_resource_limits_can_be_removed() -> None:
    settings = ["resources.limits=null", "resources.requests.cpu=1"]
    options = [p for k in ("orderApi", "proxy", "test") for s in settings for p in ("--set", f"{k}.{s}")]
    found = pods(helm.parse(helm.template("--values", str(MINIMAL), *options)))

    for container in (*found["order-api"][1]["containers"], *found["test"][1]["containers"]):
        assert set(container["resources"]) == {"requests"}
