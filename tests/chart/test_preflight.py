"""`make preflight` prints a sentence for each thing that a cluster lacks; here, a fake kubectl responds from files."""

import json
import os
import subprocess
import sys
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
import yaml

from support import helm, manifests

SCRIPT = helm.ROOT / "k8s/preflight.py"
PRODUCTION = helm.CHART / "ci/production-values.yaml"
EVERYTHING = helm.CHART / "ci/everything-values.yaml"
ZONE = "topology.kubernetes.io/zone"
OPERATOR = "/apis/apps/v1/deployments"
Cluster = dict[str, Any]
KUBECTL = """#!/bin/sh
case "$*" in *kustomize*) exec {kubectl} "$@";; esac
for path; do :; done
echo "$path" >> {folder}/asked
file={folder}/cluster/$(echo "$path" | tr / _)
[ -e "$file" ] && exec cat "$file"
[ -e "$file.error" ] && cat "$file.error" >&2 && exit 1
echo "Error from server (NotFound): the server could not find the requested resource" >&2
exit 1
"""


def complete(values: Path) -> Cluster:
    """Return the responses, by API path, of a cluster that lacks nothing for k8s/production and these values."""
    chart = helm.rendered(values)
    kinds: dict[str, list[dict[str, str]]] = {}
    for resource in chart + helm.kustomized(helm.ROOT / "k8s/production"):
        version = resource["apiVersion"]
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        kinds.setdefault(path, []).append({"kind": resource["kind"]})
    cluster: Cluster = {path: {"resources": found} for path, found in kinds.items()}
    for pod in manifests.pods(chart):
        for secret in pod.spec.get("imagePullSecrets", []):
            cluster[f"/api/v1/namespaces/retail/secrets/{secret['name']}"] = {"data": {}}
        for volume in pod.spec["volumes"]:
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                if secret := source.get("secret"):
                    path = f"/api/v1/namespaces/retail/secrets/{secret.get('name') or secret['secretName']}"
                    items = cluster.setdefault(path, {"data": {}})["data"]
                    items.update({item["key"]: "eA==" for item in secret.get("items", [])})
    for ingress in (resource for resource in chart if resource["kind"] == "Ingress"):
        for entry in ingress["spec"]["tls"]:
            cluster[f"/api/v1/namespaces/retail/secrets/{entry['secretName']}"] = {"data": {}}
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    listeners = [{"name": "http", "protocol": "HTTP"}, {"name": "https", "protocol": "HTTPS"}]
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return cluster | {
        "/version": {"major": "1", "minor": "34+", "gitVersion": "v1.34.2"},
        "/api/v1/namespaces/retail": {"metadata": {"labels": labels}},
        "/apis/metrics.k8s.io/v1beta1": {"resources": []},
        "/apis/cert-manager.io/v1/clusterissuers/internal": ready,
        "/apis/cert-manager.io/v1/namespaces/retail/issuers/retail-ca": ready,
        "/apis/gateway.networking.k8s.io/v1/namespaces/gateways/gateways/public": {"spec": {"listeners": listeners}},
        "/apis/gateway.networking.k8s.io/v1/namespaces/gateways/gateways/gateway": {"spec": {"listeners": listeners}},
        "/apis/networking.k8s.io/v1/ingressclasses": {"items": [{"metadata": {"name": "traefik"}}]},
        OPERATOR: {"items": [operator("*", "restricted")]},
        "/api/v1/nodes": {"items": [{"metadata": {"name": "a", "labels": {ZONE: "x"}}, "spec": {}}]},
        "/apis/storage.k8s.io/v1/storageclasses": {
            "items": [{"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}]
        },
    }


def operator(watched: str, provider: str | None) -> dict[str, Any]:
    env = [{"name": "STRIMZI_NAMESPACE", "value": watched}]
    env += [{"name": "STRIMZI_POD_SECURITY_PROVIDER_CLASS", "value": provider}] if provider else []
    return {"metadata": {"namespace": "strimzi"}, "spec": {"template": {"spec": {"containers": [{"env": env}]}}}}


def preflight(folder: Path, cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the preflight script. `cluster` maps API paths to a response, an error text, or None for a path not found."""
    (folder / "cluster").mkdir()
    for path, answer in cluster.items():
        file = folder / "cluster" / (path.replace("/", "_") + (".error" if isinstance(answer, str) else ""))
        if answer is not None:
            file.write_text(answer if isinstance(answer, str) else json.dumps(answer))
    kubectl = KUBECTL.format(kubectl=quote(str(helm.programs() / "kubectl/kubectl")), folder=quote(str(folder)))
    (folder / "kubectl").write_text(kubectl)
    (folder / "kubectl").chmod(0o755)
    (folder / "helm").symlink_to(helm.programs() / "helm/helm")
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
    command = [sys.executable, str(SCRIPT), "--strimzi", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("values", [PRODUCTION, EVERYTHING], ids=lambda path: path.stem)
def test_complete_cluster_passes(values: Path, tmp_path: Path) -> None:
    done = preflight(tmp_path, complete(values), str(values))

    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing is missing\n", "")


def test_no_api_path_is_read_twice(tmp_path: Path) -> None:
    preflight(tmp_path, complete(EVERYTHING), str(EVERYTHING))
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()

    assert len(asked) > 10
    assert sorted(asked) == sorted(set(asked))


ISSUER = "/apis/cert-manager.io/v1/clusterissuers/internal"
GATEWAY = "/apis/gateway.networking.k8s.io/v1/namespaces/gateways/gateways/public"
SECRETS = "/api/v1/namespaces/retail/secrets"
STORAGE = "/apis/storage.k8s.io/v1/storageclasses"
# (path, response, part of the expected sentence); a test applies all entries of one list together
ABSENT: list[tuple[str, Any, str]] = [
    ("/version", {"major": "1", "minor": "33", "gitVersion": "v1.33.1"}, "Kubernetes is v1.33.1, and the chart needs"),
    ("/api/v1/namespaces/retail", None, "namespace retail does not exist: kubectl create namespace retail"),
    ("/apis/metrics.k8s.io/v1beta1", None, "the metrics API is not served: install metrics-server"),
    (f"{SECRETS}/mongodb-order-api", None, "Secret mongodb-order-api does not exist: it needs the key uri"),
    (f"{SECRETS}/kafka-order-api", {"data": {"pass": "eA=="}}, "Secret kafka-order-api has no key password"),
    (f"{SECRETS}/registry", None, "Secret registry does not exist"),
    (ISSUER, None, "ClusterIssuer internal of cert-manager does not exist"),
    (GATEWAY, None, "Gateway public does not exist in gateways"),
    (OPERATOR, {"items": []}, "the Strimzi operator does not run"),
    ("/api/v1/nodes", {"items": [{"metadata": {"name": "b"}, "spec": {}}]}, f"nodes without the label {ZONE}"),
    (STORAGE, {"items": []}, "no StorageClass is the default"),
]
NOT_SERVED: list[tuple[str, Any, str]] = [
    ("/apis/cert-manager.io/v1", None, "Certificate of cert-manager.io/v1: install cert-manager"),
    ("/apis/gateway.networking.k8s.io/v1", None, "BackendTLSPolicy of gateway.networking.k8s.io/v1: install the"),
    ("/apis/gateway.networking.k8s.io/v1", None, "HTTPRoute of gateway.networking.k8s.io/v1: install the Gateway API"),
    ("/apis/monitoring.coreos.com/v1", None, "PodMonitor of monitoring.coreos.com/v1: install the Prometheus operator"),
    ("/apis/monitoring.coreos.com/v1", None, "PrometheusRule of monitoring.coreos.com/v1: install the Prometheus"),
    ("/apis/monitoring.coreos.com/v1", None, "ServiceMonitor of monitoring.coreos.com/v1: install the Prometheus"),
    ("/apis/kafka.strimzi.io/v1", None, "Kafka of kafka.strimzi.io/v1: install Strimzi"),
    ("/apis/kafka.strimzi.io/v1", None, "KafkaNodePool of kafka.strimzi.io/v1: install Strimzi"),
    ("/apis/kafka.strimzi.io/v1", None, "KafkaTopic of kafka.strimzi.io/v1: install Strimzi"),
    ("/apis/kafka.strimzi.io/v1", None, "KafkaUser of kafka.strimzi.io/v1: install Strimzi"),
    (
        OPERATOR,
        {"items": [operator("a,b", "restricted")]},
        "in strimzi does not watch retail: install it with watchAny",
    ),
]
NOT_READY: list[tuple[str, Any, str]] = [
    (ISSUER, {"status": {}}, "ClusterIssuer internal of cert-manager is not ready"),
    (GATEWAY, {"spec": {"listeners": [{"name": "https", "protocol": "HTTP"}]}}, "public has no HTTPS listener https"),
    (OPERATOR, {"items": [operator("*", None)]}, "set STRIMZI_POD_SECURITY_PROVIDER_CLASS=restricted on the operator"),
]


@pytest.mark.parametrize("lacks", [ABSENT, NOT_SERVED, NOT_READY], ids=["absent", "not served", "not ready"])
def test_each_missing_requirement_is_named(lacks: list[tuple[str, Any, str]], tmp_path: Path) -> None:
    """Every missing requirement is reported, and nothing else."""
    done = preflight(tmp_path, complete(PRODUCTION) | {path: answer for path, answer, _ in lacks}, str(PRODUCTION))
    sentences = done.stdout.splitlines()

    assert done.returncode == 1, done.stderr
    assert len(sentences) == len(lacks), done.stdout
    for _, _, part in lacks:
        assert [line for line in sentences if part in line and line.startswith("missing: ")], (part, done.stdout)


def test_missing_ingress_class_is_reported(tmp_path: Path) -> None:
    none: Cluster = {"/apis/networking.k8s.io/v1/ingressclasses": {"items": []}}
    done = preflight(tmp_path, complete(EVERYTHING) | none, str(EVERYTHING))

    assert done.stdout == (
        "missing: IngressClass traefik does not exist: install its controller, create the class if the controller does "
        "not (Contour), or change ingress.className\n"
    )


def test_missing_certificate_of_the_ingress_is_reported(tmp_path: Path) -> None:
    cluster = complete(EVERYTHING)
    del cluster["/api/v1/namespaces/retail/secrets/orders-tls"]
    done = preflight(tmp_path, cluster, str(EVERYTHING))

    assert done.returncode == 1
    assert done.stdout == (
        "missing: Secret orders-tls of ingress.tls does not exist: "
        "kubectl create secret tls orders-tls --cert=… --key=…\n"
    )


def test_ingress_certificate_from_cert_manager_is_not_reported(tmp_path: Path) -> None:
    cluster = complete(EVERYTHING)
    del cluster["/api/v1/namespaces/retail/secrets/orders-tls"]
    (values := tmp_path / "values.yaml").write_text(
        yaml.safe_dump({"ingress": {"annotations": {"cert-manager.io/cluster-issuer": "public"}}})
    )

    assert preflight(tmp_path, cluster, str(EVERYTHING), str(values)).stdout == "nothing is missing\n"


def test_unrestricted_namespace_needs_no_pod_security_provider(tmp_path: Path) -> None:
    changes = {OPERATOR: {"items": [operator("*", None)]}, "/api/v1/namespaces/retail": {"metadata": {}}}

    assert preflight(tmp_path, complete(PRODUCTION) | changes, str(PRODUCTION)).returncode == 0


def test_unreachable_cluster_and_missing_rights_exit_with_2(tmp_path: Path) -> None:
    for number, answer in enumerate(("Unable to connect to the server: EOF", "Error from server (Forbidden): no")):
        (folder := tmp_path / str(number)).mkdir()
        done = preflight(folder, {"/version": answer}, str(PRODUCTION))

        assert (done.returncode, done.stdout) == (2, "")
        assert f"cannot read /version: {answer}" in done.stderr


def test_invalid_values_exit_with_the_charts_error(tmp_path: Path) -> None:
    (values := tmp_path / "values.yaml").write_text(yaml.safe_dump({"kafka": {"port": 1}}))
    done = preflight(tmp_path, complete(PRODUCTION), str(PRODUCTION), str(values))

    assert done.returncode == 2
    assert "network policies allow only kafka.port, 1" in done.stderr
