"""Every pod meets the restricted Pod Security Standard, and further restrictions."""

import re
from collections.abc import Iterator

import pytest

from support import helm, manifests
from support.manifests import Pod

EXAMPLES = sorted((helm.CHART / "ci").glob("*-values.yaml"))
SERVICE = re.compile(f"Deployment/.*-({'|'.join(helm.SERVICES)})")
VOLUMES = {"configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim"}


def every_pod() -> Iterator[tuple[str, Pod]]:
    for values in EXAMPLES:
        for pod in manifests.pods(helm.rendered(values)):
            yield f"{values.stem}: {pod.owner}", pod
    for pod in manifests.pods(helm.kustomized(helm.ROOT / "k8s/kind")):
        yield f"k8s/kind: {pod.owner}", pod


PODS = dict(every_pod())
services_pods = pytest.mark.parametrize(
    "pod", [pod for name, pod in PODS.items() if SERVICE.search(name)], ids=[n for n in PODS if SERVICE.search(n)]
)


@pytest.fixture(params=PODS)
def pod(request: pytest.FixtureRequest) -> Pod:
    return PODS[request.param]


def test_examples_and_kind_render_the_expected_pods() -> None:
    """Each example has one pod per service and a test pod; two also have an operator pod; k8s/kind has two pods."""
    services = [name for name in PODS if SERVICE.search(name)]

    assert len(services) == len(helm.SERVICES) * len(EXAMPLES)
    assert len(PODS) == (len(helm.SERVICES) + 1) * len(EXAMPLES) + 4


def test_pod_is_restricted(pod: Pod) -> None:
    """Every pod runs as non-root with the default seccomp profile, without API token, host namespace or host path."""
    context = pod.spec["securityContext"]

    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod.spec["automountServiceAccountToken"] is False
    assert pod.spec["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec)
    assert {key for volume in pod.spec.get("volumes", []) for key in volume} - {"name"} <= VOLUMES


def test_containers_are_restricted(pod: Pod) -> None:
    """Every container has no privilege escalation, no capabilities and a read-only root file system."""
    for container in pod.containers:
        context = container["securityContext"]

        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context
        assert context.get("runAsUser", 1) > 0


def test_containers_have_requests_and_limits(pod: Pod) -> None:
    """CPU and memory are bounded, so that no container can starve the others."""
    for container in pod.containers:
        assert set(container["resources"]["requests"]) >= {"cpu", "memory"}
        assert set(container["resources"]["limits"]) >= {"cpu", "memory"}


def test_images_have_a_fixed_tag(pod: Pod) -> None:
    """Every image has a tag, and not `latest`."""
    for container in pod.containers:
        assert re.fullmatch(r"[a-z0-9./-]+:[A-Za-z0-9_.-]+(@sha256:[0-9a-f]{64})?", container["image"])
        assert not container["image"].endswith(":latest")


def test_manifest_contains_no_secret(pod: Pod) -> None:
    """A variable named like a secret names a file or refers to a Secret; no variable occurs twice."""
    for container in pod.containers:
        env = container.get("env", [])
        for variable in env:
            if re.search("PASSWORD|SECRET|URI$|KEY$", variable["name"]):
                assert variable["name"].endswith("_FILE") or "secretKeyRef" in variable["valueFrom"], variable

        assert len({variable["name"] for variable in env}) == len(env)


def test_mounts_have_a_volume(pod: Pod) -> None:
    """Each mount has a volume, possibly from a StatefulSet's claim, and each volume is mounted."""
    volumes = {volume["name"] for volume in pod.spec.get("volumes", [])}
    mounts = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}

    assert mounts - volumes <= {"data"}
    assert volumes <= mounts


@services_pods
def test_services_have_probes(pod: Pod) -> None:
    """In a service's pod, every container has all three kinds of probe; the service's probes use its admin port."""
    for container in pod.containers:
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    service = pod.spec["containers"][0]

    assert service["startupProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert service["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert service["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}


@services_pods
def test_services_stop_without_dropping_a_request(pod: Pod) -> None:
    """A container waits 5 s or more before it stops, the service longer than the proxy; 30 s remain for requests."""
    pauses = [container["lifecycle"]["preStop"]["sleep"]["seconds"] for container in pod.spec["containers"]]

    assert min(pauses) >= 5
    assert pod.spec["terminationGracePeriodSeconds"] >= max(pauses) + 30
    assert pauses == sorted(pauses, reverse=True)
    assert len(set(pauses)) == len(pauses)


@services_pods
def test_services_are_spread_over_hosts_and_zones(pod: Pod) -> None:
    """Each pod has spread constraints for hosts and zones, and their selectors match the pod itself."""
    keys = [constraint["topologyKey"] for constraint in pod.spec["topologySpreadConstraints"]]

    assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    for constraint in pod.spec["topologySpreadConstraints"]:
        assert manifests.selects(constraint["labelSelector"], pod.labels)
