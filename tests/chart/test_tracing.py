"""The address to which the services of a release export traces."""

import pytest

from support import helm, manifests
from support.manifests import of_kind

MINIMAL = helm.CHART / "ci/minimal-values.yaml"
EVERYTHING = helm.CHART / "ci/everything-values.yaml"


def variables(values: object, service: str) -> dict[str, str]:
    pod = next(p for p in manifests.pods(helm.rendered(values)) if p.owner.endswith(service))
    return {item["name"]: item.get("value", "") for item in pod.spec["containers"][0]["env"]}


@pytest.mark.parametrize("service", helm.SERVICES)
def test_tracing_endpoint_is_set_and_allowed_by_network_policies(service: str) -> None:
    given = variables(EVERYTHING, service)
    policy = next(
        policy
        for policy in of_kind(helm.rendered(EVERYTHING), "NetworkPolicy")
        if policy["metadata"]["name"].endswith(service)
    )

    assert given["OTEL_EXPORTER_OTLP_ENDPOINT"] == "https://collector:4318"
    assert given["OTEL_TRACES_SAMPLER_ARG"] == "1"
    assert ("TRACING_TRUST_CLIENTS" in given) is (service != "order-processor")
    assert [4318] in [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]]


@pytest.mark.parametrize("service", helm.SERVICES)
def test_without_tracing_endpoint_no_variable_or_port_is_set(service: str) -> None:
    policies = of_kind(helm.rendered(MINIMAL), "NetworkPolicy")
    ports = [port["port"] for p in policies for rule in p["spec"].get("egress", []) for port in rule.get("ports", [])]

    assert [name for name in variables(MINIMAL, service) if name.startswith(("OTEL", "TRACING"))] == []
    assert ports
    assert 4318 not in ports
