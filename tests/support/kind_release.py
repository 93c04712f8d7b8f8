"""The Helm release in the kind cluster: upgrades, rollbacks, and its Deployments."""

import json
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import kind
from support.kind import COMPONENTS, CONTEXT, NAMESPACE, ROOT

CHART = ROOT / "charts/retail-orders"
TWO = 2  # replicas of each component on kind
FORCE = {True: ["--force-conflicts"], False: []}


def helm(*arguments: str) -> str:
    """Run helm in the cluster and return its output."""
    command = ["helm", "--kube-context", CONTEXT, "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def upgrade(*settings: str, force: bool = False) -> None:
    """Upgrade the release to this checkout's chart with changed values, and wait for its pods.

    Helm 4 refuses to change fields that another client has changed, unless `force` is set.
    """
    changes = [option for setting in settings for option in ("--set", setting)]
    helm("upgrade", "retail", str(CHART), "--reset-then-reuse-values", *changes, *FORCE[force])
    _rollouts()


def install(chart: Path, values: Path, *settings: str, force: bool = True) -> None:
    """Upgrade to another chart with a file of values instead of the release's own, and wait for its pods."""
    changes = [option for setting in settings for option in ("--set", setting)]
    helm("upgrade", "retail", str(chart), "--reset-values", "--values", str(values), *changes, *FORCE[force])
    _rollouts()


def values() -> str:
    """Return the release's values as YAML, without the chart's defaults."""
    return helm("get", "values", "retail", "--output", "yaml")


def rollback(revision: int = 0, *, force: bool = False) -> None:
    """Roll the release back, by default by one revision, and wait for its pods."""
    helm("rollback", "retail", str(revision), *FORCE[force])
    _rollouts()


def _rollouts() -> None:
    for component in COMPONENTS:
        kind.rollout(component)


def revision() -> int:
    """Return the number of the release's latest revision."""
    return int(json.loads(helm("history", "retail", "--max", "1", "--output", "json"))[-1]["revision"])


@contextmanager
def restored() -> Iterator[None]:
    """When the context ends, roll the release back to the revision at its start, and undo manual changes."""
    before = revision()
    try:
        yield
    finally:
        rollback(before, force=True)
        for component in COMPONENTS:
            if replicas(component) != TWO:
                kind.kubectl("scale", f"deployment/retail-{component}", f"--replicas={TWO}")
        _rollouts()


def deployments() -> dict[str, Any]:
    """Return the Deployments of the services, by component."""
    return {component: _deployment(component) for component in COMPONENTS}


def replicas(component: str) -> int:
    """Return the `spec.replicas` of a component's Deployment."""
    return int(_deployment(component)["spec"]["replicas"])


def environment(name: str) -> dict[str, str]:
    """Return the value of an environment variable in the Deployment of each component."""
    return {
        component: {entry["name"]: entry.get("value", "") for entry in _service(component, found)["env"]}[name]
        for component, found in deployments().items()
    }


def images() -> dict[str, str]:
    """Return the image of each component's service."""
    return {component: str(_service(component, found)["image"]) for component, found in deployments().items()}


def _deployment(component: str) -> Any:
    return json.loads(kind.kubectl("get", f"deployment/retail-{component}", "--output", "json"))


def _service(component: str, deployment: dict[str, Any]) -> dict[str, Any]:
    (container,) = [c for c in deployment["spec"]["template"]["spec"]["containers"] if c["name"] == component]
    return dict(container)


@dataclass
class Observed:
    """The lowest number of replicas that the spec of each Deployment requested."""

    lowest: dict[str, int] = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> None:
        """Read the lines of the watch, each NAME,REPLICAS."""
        for line in lines:
            name, replicas = line.strip().split(",")
            self.lowest[name] = min(int(replicas), self.lowest.get(name, int(replicas)))


@contextmanager
def replicas_observed() -> Iterator[Observed]:
    """Watch every change of the Deployments' replicas until the context ends."""
    observed = Observed()
    line = "{.metadata.name},{.spec.replicas}{'\\n'}"
    command = ["kubectl", "--context", CONTEXT, "--namespace", NAMESPACE, "get", "deployments", "--watch",
               "--selector", "app.kubernetes.io/instance=retail,app.kubernetes.io/component!=operator",
               "--output", f"jsonpath={line}"]  # fmt: skip
    watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert watch.stdout is not None
    reader = threading.Thread(target=observed.read, args=(watch.stdout,), name="replicas")
    reader.start()
    try:
        yield observed
        assert watch.poll() is None, "kubectl get --watch ended too early"
    finally:
        watch.terminate()
        watch.wait(timeout=10)
        reader.join(timeout=10)
        watch.stdout.close()
