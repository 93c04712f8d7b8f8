"""Report what a cluster lacks for the chart with your values, one sentence each.

    make preflight VALUES=my-values.yaml ARGS="--namespace retail --strimzi"

Needs helm, and kubectl with the right to read. Changes nothing, and prints no content of a Secret. Exit code: 0 if
nothing is missing, 1 if something is, 2 if the chart cannot be rendered or the cluster cannot be read.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn

from commands import CommandFailed, Resource, chart, resources, run

PRODUCTION = Path(__file__).parent / "production"
REMEDIES = {
    "cert-manager.io": "install cert-manager, or set certificates.enabled to false and tls.existingSecret of each API",
    "gateway.networking.k8s.io": "install the Gateway API and a gateway, or use ingress instead of httpRoute",
    "monitoring.coreos.com": "install the Prometheus operator, or leave monitoring.monitors and rules off",
    "kafka.strimzi.io": "install Strimzi 1.2 or newer",
}
RESTRICTED = {"restricted", "io.strimzi.plugin.security.profiles.impl.RestrictedPodSecurityProvider"}
ZONE = "topology.kubernetes.io/zone"


class Cluster:
    """Reads from the API server of a kubectl context, by default the current one."""

    def __init__(self, context: str | None) -> None:
        self._command = ["kubectl", *(["--context", context] if context else []), "get", "--raw"]
        self.get = cache(self._get)  # each path is requested only once

    def _get(self, path: str) -> Resource | None:
        """Return what the API serves at a path, None if the path does not exist; exit with code 2 if kubectl fails."""
        try:
            content: Resource = json.loads(run([*self._command, path]))
        except CommandFailed as error:
            if "NotFound" in str(error):
                return None
            stop(f"cannot read {path}: {error}")
        return content

    def list(self, path: str) -> list[Resource]:
        """Return the items of the collection at a path; none if the path does not exist."""
        items: list[Resource] = (self.get(path) or {}).get("items", [])
        return items

    def serves(self, resource: Resource) -> bool:
        """Return whether the API server serves the kind of `resource`."""
        version = resource["apiVersion"]
        found = self.get(f"/apis/{version}" if "/" in version else f"/api/{version}")
        return resource["kind"] in {known["kind"] for known in (found or {"resources": []})["resources"]}


def main() -> None:
    """Print every problem; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="preflight", description="Report what a cluster lacks for the chart.")
    parser.add_argument("--context", help="kubectl's context; default: the current one")
    parser.add_argument("--namespace", default="retail")
    parser.add_argument("--release", default="retail")
    parser.add_argument("--strimzi", action="store_true", help="also check what k8s/production needs")
    parser.add_argument("values", nargs="*", help="values files, as for helm")
    options = parser.parse_args()
    cluster = Cluster(options.context)
    try:
        rendered = chart(options.release, options.values, "--namespace", options.namespace)
        kafka = resources(["kubectl", "kustomize", str(PRODUCTION)]) if options.strimzi else []
    except CommandFailed as error:
        stop(f"cannot render: {error}")
    found = [*of_cluster(cluster, options.namespace), *of_chart(cluster, rendered, options.namespace)]
    if options.strimzi:
        found += [*unserved(cluster, kafka), *of_strimzi(cluster, options.namespace)]
    for problem in found:
        print(f"missing: {problem}")
    if found:
        sys.exit(1)
    print("nothing is missing")


def of_cluster(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Yield what every installation needs and the cluster does not have."""
    version = cluster.get("/version") or {}
    minor = int(re.sub(r"\D", "", version["minor"]))
    if (int(version["major"]), minor) < (1, 34):
        yield f"Kubernetes is {version['gitVersion']}, and the chart needs 1.34 or newer"
    if cluster.get(f"/api/v1/namespaces/{namespace}") is None:
        yield f"namespace {namespace} does not exist: kubectl create namespace {namespace}"


def of_chart(cluster: Cluster, chart: list[Resource], namespace: str) -> Iterator[str]:
    """Yield what the chart's resources refer to and the cluster does not have."""
    yield from unserved(cluster, chart)
    if of_kind(chart, "HorizontalPodAutoscaler") and cluster.get("/apis/metrics.k8s.io/v1beta1") is None:
        yield "the metrics API is not served: install metrics-server, or the autoscalers only keep their bounds"
    yield from secrets(cluster, chart, namespace)
    for issuer in {
        tuple(sorted(c["spec"]["issuerRef"].items())) for c in of_kind(chart, "Certificate") if cluster.serves(c)
    }:
        kind, name = dict(issuer)["kind"], dict(issuer)["name"]
        scope = f"namespaces/{namespace}/issuers" if kind == "Issuer" else "clusterissuers"
        found = cluster.get(f"/apis/cert-manager.io/v1/{scope}/{name}")
        if found is None:
            yield f"{kind} {name} of cert-manager does not exist: create it, or change certificates.issuerRef"
        elif not is_ready(found):
            yield f"{kind} {name} of cert-manager is not ready: kubectl describe {kind.lower()} {name} says why"
    for route in filter(cluster.serves, of_kind(chart, "HTTPRoute")):
        yield from gateways(cluster, route["spec"]["parentRefs"], namespace)
    for ingress in of_kind(chart, "Ingress"):
        yield from ingress_class(cluster, ingress["spec"].get("ingressClassName"))
        yield from ingress_certificates(cluster, ingress, namespace)


def unserved(cluster: Cluster, resources: list[Resource]) -> Iterator[str]:
    """Yield one sentence for each kind in `resources` that the API server does not serve."""
    kinds = {(r["apiVersion"], r["kind"]): r for r in resources}
    for (version, kind), resource in sorted(kinds.items()):
        if not cluster.serves(resource):
            remedy = REMEDIES.get(version.partition("/")[0], "the cluster is too old, or this kind is disabled")
            yield f"the API does not serve {kind} of {version}: {remedy}"


def secrets(cluster: Cluster, chart: list[Resource], namespace: str) -> Iterator[str]:
    """Yield the Secrets, and keys of Secrets, that pods need but that neither exist nor come from cert-manager."""
    made = {certificate["spec"]["secretName"] for certificate in of_kind(chart, "Certificate")}
    needed: dict[str, set[str]] = {}
    for pod in (r["spec"]["template"]["spec"] for r in of_kind(chart, "Deployment")):
        for secret in pod.get("imagePullSecrets", []):
            needed.setdefault(secret["name"], set())
        for volume in pod["volumes"]:
            sources = [volume, *volume.get("projected", {}).get("sources", [])]
            for secret in (source["secret"] for source in sources if "secret" in source):
                keys = {item["key"] for item in secret.get("items", [])}
                needed.setdefault(secret.get("secretName") or secret["name"], set()).update(keys)
    for name, keys in sorted(needed.items()):
        if name in made:
            continue
        found = cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if found is None:
            yield f"Secret {name} does not exist" + (f": it needs the key {', '.join(sorted(keys))}" if keys else "")
        elif absent := sorted(keys - set(found.get("data") or {})):
            yield f"Secret {name} has no key {', '.join(absent)}"


def gateways(cluster: Cluster, references: list[Resource], namespace: str) -> Iterator[str]:
    """Yield the Gateways that do not exist, or have no HTTPS listener."""
    for reference in references:
        place, name = reference.get("namespace", namespace), reference["name"]
        gateway = cluster.get(f"/apis/gateway.networking.k8s.io/v1/namespaces/{place}/gateways/{name}")
        if gateway is None:
            yield f"Gateway {name} does not exist in {place}: create it, or change httpRoute.parentRefs"
            continue
        section = reference.get("sectionName")
        listeners = [one for one in gateway["spec"]["listeners"] if section in {None, one["name"]}]
        if not any(listener["protocol"] == "HTTPS" for listener in listeners):
            yield f"Gateway {name} has no HTTPS listener{f' {section}' if section else ''}: tokens need TLS"


def ingress_class(cluster: Cluster, name: str | None) -> Iterator[str]:
    """Yield a sentence if the class `name` does not exist, or if there is neither a name nor a default class."""
    classes = {found["metadata"]["name"]: found for found in cluster.list("/apis/networking.k8s.io/v1/ingressclasses")}
    if name and name not in classes:
        yield (
            f"IngressClass {name} does not exist: install its controller, create the class if the controller does "
            f"not (Contour), or change ingress.className"
        )
    elif not name and not any(is_default(found, "ingressclass.kubernetes.io") for found in classes.values()):
        yield "no IngressClass is the default: set ingress.className"


def ingress_certificates(cluster: Cluster, ingress: Resource, namespace: str) -> Iterator[str]:
    """Yield the certificate Secrets that the Ingress names and that neither exist nor come from cert-manager."""
    if any(key.startswith("cert-manager.io/") for key in ingress["metadata"].get("annotations") or {}):
        return
    for name in (entry["secretName"] for entry in ingress["spec"]["tls"] if "secretName" in entry):
        if cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{name}") is None:
            yield f"Secret {name} of ingress.tls does not exist: kubectl create secret tls {name} --cert=… --key=…"


def of_strimzi(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Yield what Kafka on Strimzi, as in k8s/production, needs and the cluster does not have."""
    deployments = cluster.list("/apis/apps/v1/deployments")
    found = [d for d in deployments if "STRIMZI_NAMESPACE" in environment(d)]
    if not found:
        yield "the Strimzi operator does not run: docs/kubernetes.md has the command that installs it"
    for operator in found:
        variables, home = environment(operator), operator["metadata"]["namespace"]
        watched = variables["STRIMZI_NAMESPACE"] or home
        if watched != "*" and namespace not in watched.split(","):
            yield f"the Strimzi operator in {home} does not watch {namespace}: install it with watchAnyNamespace=true"
        labels = (cluster.get(f"/api/v1/namespaces/{namespace}") or {}).get("metadata", {}).get("labels", {})
        restricted = labels.get("pod-security.kubernetes.io/enforce") == "restricted"
        if restricted and variables.get("STRIMZI_POD_SECURITY_PROVIDER_CLASS") not in RESTRICTED:
            yield (
                f"namespace {namespace} enforces the restricted Pod Security standard and rejects Strimzi's pods: set "
                f"STRIMZI_POD_SECURITY_PROVIDER_CLASS=restricted on the operator in {home}"
            )
    nodes = [node for node in cluster.list("/api/v1/nodes") if not node["spec"].get("unschedulable")]
    if bare := [node["metadata"]["name"] for node in nodes if ZONE not in node["metadata"].get("labels", {})]:
        yield f"nodes without the label {ZONE}, by which k8s/production/kafka.yaml spreads brokers: {', '.join(bare)}"
    classes = cluster.list("/apis/storage.k8s.io/v1/storageclasses")
    if not any(is_default(storage, "storageclass.kubernetes.io") for storage in classes):
        yield "no StorageClass is the default: mark one, or name one in the volumes of k8s/production/kafka.yaml"


def environment(deployment: Resource) -> dict[str, str | None]:
    """Return the variables of a Deployment's containers; the value is None if it comes from a reference."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value") for c in containers for variable in c.get("env", [])}


def is_default(found: Resource, group: str) -> bool:
    """Return whether a class is the cluster's default, by its annotation with the prefix `group`."""
    annotations = found["metadata"].get("annotations") or {}
    return bool(annotations.get(f"{group}/is-default-class") == "true")


def is_ready(found: Resource) -> bool:
    """Return whether the resource's condition Ready is true."""
    conditions = found.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def of_kind(resources: list[Resource], kind: str) -> list[Resource]:
    """Return the resources of a kind."""
    return [resource for resource in resources if resource["kind"] == kind]


def stop(reason: str) -> NoReturn:
    """Print the reason, and exit with code 2."""
    print(f"preflight: {reason}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
