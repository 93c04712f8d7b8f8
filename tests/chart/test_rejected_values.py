"""Wrong values are rejected before anything changes in a cluster, with an error that says what is wrong."""

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
        "kafka.bootstrapServers=kafka",
        "kafka.groupProtocol=eager",
        "mongodb.port=70000",
        "logLevel=verbose",
        "tracing.sampleRatio=2",
        "tracing.endpoint=collector:4318",
        "imageRegistry=https://registry.example.com",
        "orderApi.image.digest=1234",
        "orderApi.image.tag=1@sha256:1234",
        "orderApi.podlabels.team=x",
        "orderProcessor.service.annotations.team=x",
        "livenessProbe.httpGet.path=/livez",
        "extraVolumeMounts[0].name=x",
        "podDisruptionBudget.maxUnavailable=0",
        "ingress.host=a.example",
        "imagePullPolicy=Sometimes",
        "certificates.duration=90",
        "networkPolicy.gatewayPeers[0].podselector.app=x",
        "monitoring.runbookUrl=runbooks",
        "fullnameOverride=Shop",
        "podDisruptionBudget.enabled=1",
    ],
)
def test_invalid_values_are_rejected_by_the_schema(setting: str) -> None:
    """The schema rejects a misspelt key, and a value with a wrong type or form, or out of range."""
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
        ("tracing.endpoint=http://collector:4317", "tracing.endpoint is http://collector:4317, but network policies"),
        ("monitoring.monitors=true", "monitoring.monitors needs networkPolicy.metricsPeers"),
        ("orderApi.extraEnv[0].name=LOG_LEVEL", "orderApi.extraEnv has LOG_LEVEL, which the chart already sets"),
        ("orderApi.tls.existingSecret=", "orderApi has no certificate"),
        ("certificates.enabled=true", "certificates.enabled needs certificates.issuerRef.name"),
        ("httpRoute.enabled=true", "httpRoute.enabled needs httpRoute.parentRefs"),
        ("ingress.enabled=true", "ingress.enabled needs ingress.hosts"),
        (
            "ingress.enabled=true,ingress.hosts={a.example,b.example},ingress.tls[0].hosts={a.example}",
            "ingress.tls has no entry for b.example: the Ingress is served with TLS only",
        ),
        ("commonLabels.app\\.kubernetes\\.io/name=x", "commonLabels has app.kubernetes.io/name, which the chart sets"),
        ("test.podLabels.app\\.kubernetes\\.io/component=x", "test.podLabels has app.kubernetes.io/component"),
        ("extraEnv[0].name=ADMIN_BIND", "extraEnv has ADMIN_BIND, which the chart already sets"),
        (
            "operator.extraVolumes[0].name=tmp,operator.enabled=true,operator.mongodb.existingSecret=a,operator.kafka.existingSecret=b",
            "operator.extraVolumes has tmp, which the chart already sets",
        ),
        (
            "orderApi.extraVolumeMounts[0].name=tmp,orderApi.extraVolumeMounts[0].mountPath=/tmp",
            "orderApi.extraVolumeMounts has /tmp, which the chart already sets",
        ),
        ("serviceAccount.name=one", "serviceAccount.name is one account for every pod"),
        ("orderApi.replicas=3", "orderApi.replicas is set, and the autoscaler owns the number"),
        (
            "orderApi.autoscaling.enabled=true,orderApi.autoscaling.minReplicas=9,orderApi.autoscaling.maxReplicas=3",
            "orderApi.autoscaling: minReplicas is greater than maxReplicas",
        ),
    ],
)
def test_missing_or_contradictory_values_fail_with_a_clear_error(settings: str, sentence: str) -> None:
    """The chart's templates check what the schema cannot express."""
    result = helm.template("--values", MINIMAL, "--set", settings)

    assert result.returncode != 0
    assert sentence in result.stderr


def test_installation_with_default_values_is_rejected() -> None:
    """The defaults contain no server addresses, so the error says which values to set."""
    result = helm.template()

    assert result.returncode != 0
    assert "is required" in result.stderr
