"""Operations on the kind cluster under test."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.free_ports import free_port
from support.stand_ins.kube import CONTEXT, NAMESPACE, kubectl, list_of

ROOT = Path(__file__).resolve().parents[2]
BASE_URL = "https://127.0.0.1:8443"
CA_FILE = ROOT / ".kind/ca.pem"
COMPONENTS = ("auth-api", "order-api", "order-processor")
__all__ = ["CONTEXT", "NAMESPACE", "kubectl", "list_of"]


def rollout(component: str, seconds: int = 240) -> None:
    """Wait until all replicas of a component run the latest revision and are available."""
    kubectl("rollout", "status", f"deployment/retail-{component}", "--timeout", f"{seconds}s", timeout=seconds + 10)


def pods(component: str) -> list[dict[str, Any]]:
    """Return the pods of a component that are not being deleted."""
    selector = f"app.kubernetes.io/instance=retail,app.kubernetes.io/component={component}"
    items = json.loads(kubectl("get", "pods", "--selector", selector, "--output", "json"))["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def restarts(component: str) -> int:
    """Count the restarts of the containers of a component's pods."""
    return sum(status["restartCount"] for pod in pods(component) for status in pod["status"]["containerStatuses"])


def is_ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod is ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def ready_pods(component: str) -> int:
    """Count the pods of a component that are ready."""
    return sum(is_ready(pod) for pod in pods(component))


def image(service: str = "order-processor") -> str:
    """Return the image that kind-up built for a service."""
    lines = (ROOT / ".kind/images").read_text().splitlines()
    tags = dict(line.split() for line in lines)
    return f"retail-orders/{service}:{tags[service]}"


def retag(service: str) -> str:
    """Give the service's image a second tag, load it onto the worker nodes, and return the new name."""
    name = f"{image(service)}-again"
    subprocess.run(["docker", "tag", image(service), name], check=True, timeout=30)
    load_images(name)
    return name


def load_images(*names: str) -> None:
    """Load images from Docker onto the worker nodes."""
    cluster = CONTEXT.removeprefix("kind-")
    nodes = f"{cluster}-worker,{cluster}-worker2"
    load = ["kind", "load", "docker-image", "--quiet", "--name", cluster, "--nodes", nodes, *names]
    subprocess.run(load, check=True, timeout=240)


def python(pod: str, code: str, *, container: str | None = None, seconds: float = 60) -> str:
    """Run Python code in a pod (or deployment/NAME) and return the last line that it prints."""
    options = ["--container", container] if container else []
    out = kubectl("exec", pod, *options, "--", "python", "-c", code, timeout=seconds)
    return out.strip().rpartition("\n")[2]


def evaluate(pod: str, prelude: str, expressions: Sequence[str], *, container: str | None = None) -> dict[str, str]:
    """Run the code `prelude` in a pod, then Python expressions in parallel; return each expression's result as text."""
    code = f"""{prelude}
import concurrent.futures, json
expressions = {list(expressions)!r}
with concurrent.futures.ThreadPoolExecutor(len(expressions)) as pool:
    print(json.dumps(dict(zip(expressions, pool.map(lambda text: str(eval(text)), expressions)))))
"""
    answers: dict[str, str] = json.loads(python(pod, code, container=container, seconds=120))
    return answers


@contextmanager
def forwarded(target: str, port: int, *, local: int | None = None, namespace: str = NAMESPACE) -> Iterator[int]:
    """Forward a local port to a port of a pod with `kubectl port-forward`; yield the local port."""
    command = ["kubectl", "--context", CONTEXT, "--namespace", namespace, "port-forward", target]
    local = local or free_port()
    with subprocess.Popen([*command, f"{local}:{port}"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Forwarding from"), target
            yield local
        finally:
            process.terminate()


@contextmanager
def idle_pod(name: str, labels: dict[str, str]) -> Iterator[str]:
    """Run a pod that does nothing, from a service's image and with restricted rights, until the context ends."""
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    kubectl("delete", "pod", name, "--ignore-not-found", "--wait=true")
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "idle",
                    "image": image(),
                    "command": ["python", "-c", "import time; time.sleep(3600)"],
                    "securityContext": confined,
                },
            ],
        },
    }  # fmt: skip
    kubectl("create", "--filename", "-", stdin=json.dumps(manifest))
    try:
        kubectl("wait", f"pod/{name}", "--for", "condition=Ready", "--timeout", "60s")
        yield name
    finally:
        kubectl("delete", "pod", name, "--wait=false")
