"""Operations on the kind cluster under test."""

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from load_generator.options import Options
from load_generator.run import Summary, run
from support import wait
from support.stand_ins.kube import CONTEXT, NAMESPACE, kubectl, list_of

ROOT = Path(__file__).resolve().parents[2]
BASE_URL = "https://127.0.0.1:8443"
CA_FILE = ROOT / ".kind/ca.pem"
RATE = float(os.environ.get("KIND_LOAD_RATE", "50"))  # orders per second; lower it on a busy machine
COMPONENTS = ("auth-api", "order-api", "order-processor")
__all__ = ["CONTEXT", "NAMESPACE", "kubectl", "list_of"]


def rollout(component: str, seconds: int = 240) -> None:
    """Wait until only replicas of the component's latest revision exist and all are available."""
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


def helm(*arguments: str) -> str:
    """Run helm in the cluster and return its output."""
    command = ["helm", "--kube-context", CONTEXT, "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def upgrade(*settings: str) -> None:
    """Upgrade the release to the chart of this checkout with changed values, and wait for its pods."""
    changes = [option for setting in settings for option in ("--set", setting)]
    helm("upgrade", "retail", str(ROOT / "charts/retail-orders"), "--reuse-values", *changes)
    for component in COMPONENTS:
        rollout(component)


@contextmanager
def release_restored() -> Iterator[None]:
    """Roll the release back when the context ends."""
    before = json.loads(helm("history", "retail", "--output", "json"))[-1]["revision"]
    try:
        yield
    finally:
        helm("rollback", "retail", str(before))
        for component in COMPONENTS:
            rollout(component)


def image(service: str = "order-processor") -> str:
    """Return the image of a service that kind-up built."""
    lines = (ROOT / ".kind/images").read_text().splitlines()
    tags = dict(line.split() for line in lines)
    return f"retail-orders/{service}:{tags[service]}"


def python(pod: str, code: str, *, container: str | None = None, seconds: float = 60) -> str:
    """Run Python code in a pod (or deployment/NAME) and return the last line that it prints."""
    options = ["--container", container] if container else []
    out = kubectl("exec", pod, *options, "--", "python", "-c", code, timeout=seconds)
    return out.strip().rpartition("\n")[2]


def evaluate(pod: str, prelude: str, expressions: Sequence[str], *, container: str | None = None) -> dict[str, str]:
    """Evaluate Python expressions in a pod in parallel, and return each result as text."""
    code = f"""{prelude}
import concurrent.futures, json
expressions = {list(expressions)!r}
with concurrent.futures.ThreadPoolExecutor(len(expressions)) as pool:
    print(json.dumps(dict(zip(expressions, pool.map(lambda text: str(eval(text)), expressions)))))
"""
    answers: dict[str, str] = json.loads(python(pod, code, container=container, seconds=120))
    return answers


@contextmanager
def idle_pod(name: str, labels: dict[str, str]) -> Iterator[str]:
    """Run an idle pod of a service image, under the restricted standard, until the context ends."""
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


@dataclass
class Load:
    """A load in the background; `summary` is set when the context has ended."""

    summary: Summary | None = None
    error: BaseException | None = None
    sent: int = 0
    stop: bool = False

    @property
    def result(self) -> Summary:
        """Return its summary; fail the test if the load itself failed."""
        assert self.summary is not None, self.error
        return self.summary

    def assert_nothing_failed(self) -> None:
        """Assert that every request was answered 200 and every order was processed once."""
        assert self.result.statuses == {"200": self.result.sent}, self.result
        self.assert_nothing_lost()

    def assert_nothing_lost(self) -> None:
        """Assert that every order was settled and processed once, and every answer kept the contract."""
        assert self.result.sent > 0
        assert self.result.ok, self.result


@contextmanager
def load(rate: float = RATE, *, seconds: float = 600, verify_seconds: float = 60) -> Iterator[Load]:
    """Place orders at a rate from outside while the context lasts, at most for `seconds`; then verify each one."""
    state = Load()

    def enough(sent: int) -> bool:
        state.sent = sent
        return state.stop

    def work() -> None:
        try:
            ledger = Path(tempfile.mkdtemp(prefix="retail-ledger-")) / "ledger.jsonl"
            options = Options(
                base_url=BASE_URL, ca_file=CA_FILE, ledger=ledger, rate=rate, duration=seconds,
                verify_seconds=verify_seconds,
            )  # fmt: skip
            state.summary = run(options, console=Console(quiet=True), enough=enough)
        except BaseException as error:  # noqa: BLE001 - shown by `result`
            state.error = error

    thread = threading.Thread(target=work, name="load")
    thread.start()
    try:
        wait.until(lambda: state.sent >= rate or state.error, "the load to begin", seconds=60)
        yield state
    finally:
        state.stop = True
        thread.join(timeout=seconds + 300)
