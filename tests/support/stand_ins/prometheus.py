"""Does the Prometheus operator's work: runs a Prometheus in the namespace `monitoring`.

It uses the monitors and the rules of the namespace `retail`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from support.stand_ins import kube
from support.stand_ins.kube import NAMESPACE, Resource

MONITORING = "monitoring"
NAME = "prometheus-operated"  # the operator's name for the Service
PORT = 9090
LABELS = {"app.kubernetes.io/name": "prometheus"}
FOLDER = "/etc/prometheus"
TARGETS = "/targets"
ARGUMENTS = [
    f"--config.file={FOLDER}/prometheus.json",
    "--storage.tsdb.path=/prometheus",
    "--storage.tsdb.retention.time=6h",
    "--enable-feature=exemplar-storage",
]


def reconcile(image: str, own_image: str) -> None:
    """Make Prometheus scrape what the monitors select and evaluate the rules, and wait until it is ready."""
    jobs = _jobs()
    files = {
        "discovery.py": Path(__file__).with_name("discovery.py").read_text(encoding="utf-8"),
        "jobs.json": json.dumps([found for found, _ in jobs]),
        "prometheus.json": json.dumps(
            {"rule_files": [f"{FOLDER}/*.rules"], "scrape_configs": [scrape for _, scrape in jobs]}
        ),
    }
    for rule in kube.list_of("prometheusrules.monitoring.coreos.com"):
        files[f"{rule['metadata']['name']}.rules"] = json.dumps(rule["spec"])
    kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MONITORING}}])
    kube.apply(_rights())
    kube.apply(_objects(files, _pod(image, own_image)), namespace=MONITORING)
    wait = ("deployment/prometheus", "--namespace", MONITORING, "--timeout", "120s")
    kube.kubectl("rollout", "status", *wait, timeout=130)


def _jobs() -> list[tuple[Resource, Resource]]:
    """Return (what to discover, scrape job) for each endpoint of each monitor, with the fields our monitors use."""
    endpoints = [
        (monitor, endpoint)
        for kind, field in (("servicemonitors", "endpoints"), ("podmonitors", "podMetricsEndpoints"))
        for monitor in kube.list_of(f"{kind}.monitoring.coreos.com")
        for endpoint in monitor["spec"][field]
    ]
    return [
        (
            {
                "kind": monitor["kind"],
                "name": monitor["metadata"]["name"],
                "namespace": NAMESPACE,
                "labels": monitor["spec"]["selector"]["matchLabels"],
                "port": endpoint["port"],
            },
            {
                "job_name": f"{monitor['kind']}/{NAMESPACE}/{monitor['metadata']['name']}/{number}",
                "metrics_path": endpoint.get("path", "/metrics"),
                "scrape_interval": endpoint.get("interval", "30s"),
                "file_sd_configs": [{"files": [f"{TARGETS}/{number}.json"]}],
            },
        )
        for number, (monitor, endpoint) in enumerate(endpoints)
    ]


def _rights() -> list[Resource]:
    """Return a Role and RoleBinding that let Prometheus list the namespace's pods and endpoints."""
    meta = {"name": "prometheus"}
    reads = {"apiGroups": [""], "resources": ["pods", "endpoints"], "verbs": ["list"]}
    return [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": [reads]},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "prometheus"},
            "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": MONITORING}],
        },
    ]  # fmt: skip


def _objects(files: dict[str, str], pod: Resource) -> list[Resource]:
    meta: dict[str, Any] = {"name": "prometheus", "labels": LABELS}
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    port = {"name": "http-web", "port": PORT}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": files},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "labels": LABELS},
         "spec": {"selector": LABELS, "ports": [port]}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS, "annotations": {"stand-in/configuration": digest}},
                "spec": pod,
            },
        }},
    ]  # fmt: skip


def _pod(image: str, own_image: str) -> Resource:
    confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    common = {"imagePullPolicy": "IfNotPresent", "securityContext": confined}
    config = {"name": "config", "mountPath": FOLDER, "readOnly": True}
    targets = {"name": "targets", "mountPath": TARGETS}
    prometheus = {
        "name": "prometheus",
        "image": image,
        "args": ARGUMENTS,
        "ports": [{"name": "http-web", "containerPort": PORT}],
        "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": PORT}, "periodSeconds": 3},
        "volumeMounts": [config, targets, {"name": "data", "mountPath": "/prometheus"}],
    }
    discovery = {
        "name": "discovery",
        "image": own_image,
        "command": ["python", f"{FOLDER}/discovery.py", f"{FOLDER}/jobs.json", TARGETS],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "volumeMounts": [config, targets],
    }
    return {
        "serviceAccountName": "prometheus",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [prometheus | common, discovery | common],
        "volumes": [
            {"name": "config", "configMap": {"name": "prometheus"}},
            {"name": "targets", "emptyDir": {"sizeLimit": "1Mi"}},
            {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }
