"""With every example of values, the chart renders resources that Kubernetes and the operators accept."""

from pathlib import Path

import pytest

from support import helm, schemas

EXAMPLES = sorted((helm.CHART / "ci").glob("*-values.yaml"))
OVERLAYS = [helm.ROOT / "k8s/kind", helm.ROOT / "k8s/production"]


def by_name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("values", EXAMPLES, ids=by_name)
def test_helm_lint_finds_no_error(values: Path) -> None:
    """`helm lint --strict` reports no error and no warning."""
    result = helm.run("helm", "lint", "--strict", str(helm.CHART), "--values", str(values))

    assert result.returncode == 0, result.stdout + result.stderr
    assert "[WARNING]" not in result.stdout


@pytest.mark.parametrize("values", EXAMPLES, ids=by_name)
def test_rendered_resources_match_their_schemas(values: Path) -> None:
    """No resource, core or custom, has an unknown, missing or wrongly typed field."""
    resources = helm.rendered(values)

    assert [problem for resource in resources for problem in schemas.problems(resource)] == []
    assert len(resources) > 15


@pytest.mark.parametrize("folder", OVERLAYS, ids=by_name)
def test_kubernetes_manifests_match_their_schemas(folder: Path) -> None:
    """Each resource in k8s/ matches its schema, except EnvoyProxy: its schema is too large to be stored here."""
    resources = [resource for resource in helm.kustomized(folder) if resource["kind"] != "EnvoyProxy"]

    assert [problem for resource in resources for problem in schemas.problems(resource)] == []
    assert {"Kafka", "KafkaTopic", "KafkaUser"} <= {resource["kind"] for resource in resources}


def test_schemas_reject_unknown_fields_and_wrong_types() -> None:
    """If the schemas accepted these, the tests above would prove nothing."""
    kafka = next(r for r in helm.kustomized(OVERLAYS[0]) if r["kind"] == "Kafka")
    deployment = next(r for r in helm.rendered(EXAMPLES[0]) if r["kind"] == "Deployment")

    assert schemas.problems(kafka | {"spec": kafka["spec"] | {"kafak": {}}})
    assert schemas.problems(deployment | {"spec": deployment["spec"] | {"replica": 2}})
    assert schemas.problems(deployment | {"spec": deployment["spec"] | {"revisionHistoryLimit": "five"}})


@pytest.mark.parametrize("values", EXAMPLES, ids=by_name)
def test_names_are_unique_and_in_the_namespace(values: Path) -> None:
    """No two objects of one kind share a name, and all are in the release's namespace."""
    resources = helm.rendered(values)
    names = [(r["kind"], r["metadata"]["name"]) for r in resources]

    assert len(set(names)) == len(names)
    assert [
        r["metadata"]["name"] for r in resources if r["metadata"].get("namespace", helm.NAMESPACE) != "retail"
    ] == []
