"""Wrong values are rejected before anything reaches a cluster, with a sentence that says what is wrong."""

import pytest

from support import helm

MINIMAL = str(helm.CHART / "ci/minimal-values.yaml")


@pytest.mark.parametrize(
    "setting",
    [
        "orderApi.replica=3",
        "orderapi.replicas=3",
        "orderApi.replicas=many",
        "orderApi.replicas=-1",
        "orderApi.image.tag=latest",
        "orderApi.threads=0",
        "orderApi.currencies={usd}",
        "orderProcessor.reconcileIntervalSeconds=0",
        "orderProcessor.resources.limits=null",
        "kafka.bootstrapServers=kafka",
        "kafka.groupProtocol=eager",
        "mongodb.port=70000",
        "logLevel=verbose",
        "imageRegistry=registry.example.com",
        "imagePullPolicy=Sometimes",
        "certificates.duration=90",
        "networkPolicy.gatewayPeers[0].podselector.app=x",
        "monitoring.runbookUrl=runbooks",
        "fullnameOverride=Shop",
        "podDisruptionBudget.enabled=1",
    ],
)
def test_invalid_values_are_rejected_by_the_schema(setting: str) -> None:
    """A misspelt key or a value out of bounds is named by the values' schema."""
    result = helm.template("--values", MINIMAL, "--set", setting)

    assert result.returncode != 0
    assert "values don't meet the specifications of the schema" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("kafka.bootstrapServers=", "kafka.bootstrapServers is required"),
        ("auth.existingSecret=", "auth.existingSecret is required"),
        ("authApi.mongodb.existingSecret=", "authApi.mongodb.existingSecret is required"),
        ("orderProcessor.kafka.existingSecret=", "orderProcessor.kafka.existingSecret is required"),
        ("kafka.bootstrapServers=b:9093\\,c:9092", "kafka.bootstrapServers has c:9092, but network policies"),
        ("monitoring.monitors=true", "monitoring.monitors needs networkPolicy.metricsPeers"),
        ("orderApi.extraEnv[0].name=LOG_LEVEL", "orderApi.extraEnv has LOG_LEVEL, which the chart already sets"),
        ("orderApi.tls.existingSecret=", "orderApi has no certificate"),
        ("certificates.enabled=true", "certificates.enabled needs certificates.issuerRef.name"),
        ("httpRoute.enabled=true", "httpRoute.enabled needs httpRoute.parentRefs"),
        ("ingress.enabled=true,ingress.host=a.example", "the Ingress is served with TLS only"),
        ("orderApi.replicas=3", "orderApi.replicas is set, and the autoscaler owns the number"),
        (
            "orderApi.autoscaling.enabled=true,orderApi.autoscaling.minReplicas=9,orderApi.autoscaling.maxReplicas=3",
            "orderApi.autoscaling: minReplicas is greater than maxReplicas",
        ),
    ],
)
def test_contradictory_values_fail_with_a_clear_error(settings: str, sentence: str) -> None:
    """What the schema cannot check, the chart checks before it renders."""
    result = helm.template("--values", MINIMAL, "--set", settings)

    assert result.returncode != 0
    assert sentence in result.stderr


def test_installation_without_values_is_rejected() -> None:
    """The defaults name no server, so the chart asks for one."""
    result = helm.template()

    assert result.returncode != 0
    assert "is required" in result.stderr
