"""Queries over rendered Kubernetes resources."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Resource = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """A pod, or the pod template of a workload."""

    owner: str
    labels: dict[str, str]
    spec: Resource

    @property
    def containers(self) -> list[Resource]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        """The container ports, by name."""
        return {p["name"]: p["containerPort"] for c in self.containers for p in c.get("ports", [])}


def pods(resources: list[Resource]) -> Iterator[Pod]:
    """Yield every pod, with the kind and name of its owner."""
    for resource in resources:
        owner = f"{resource['kind']}/{resource['metadata']['name']}"
        if resource["kind"] == "Pod":
            yield Pod(owner, resource["metadata"].get("labels", {}), resource["spec"])
        elif resource["kind"] in {"Deployment", "StatefulSet", "Job"}:
            template = resource["spec"]["template"]
            yield Pod(owner, template["metadata"]["labels"], template["spec"])


def of_kind(resources: list[Resource], *kinds: str) -> list[Resource]:
    """Return the resources of these kinds."""
    return [resource for resource in resources if resource["kind"] in kinds]


def selects(selector: Resource, labels: dict[str, str]) -> bool:
    """Return whether a label selector (matchLabels, or the plain labels of a Service) selects these labels."""
    if not ({"matchLabels", "matchExpressions"} & set(selector)):
        return all(labels.get(key) == value for key, value in selector.items())
    if not all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True
