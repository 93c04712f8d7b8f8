"""The cluster through kubectl, with objects as dictionaries. No secret is put on a command line."""

import base64
import json
import os
import subprocess
from collections.abc import Iterable
from typing import Any

Resource = dict[str, Any]
CONTEXT = f"kind-{os.environ.get('KIND_CLUSTER', 'retail')}"
NAMESPACE = "retail"
MANAGER = "retail-stand-ins"


def kubectl(*arguments: str, stdin: str | None = None, timeout: float = 120, check: bool = True) -> str:
    """Run kubectl in the namespace and return its output; with `check`, raise RuntimeError if it fails."""
    command = ["kubectl", "--context", CONTEXT, "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise RuntimeError(f"kubectl {' '.join(arguments[:4])}: {done.stderr.strip()}")
    return done.stdout


def list_of(kind: str) -> list[Resource]:
    """Return all objects of a kind."""
    items: list[Resource] = json.loads(kubectl("get", kind, "--output", "json"))["items"]
    return items


def find(kind: str, name: str) -> Resource | None:
    """Return one object, or None."""
    text = kubectl("get", kind, name, "--ignore-not-found", "--output", "json")
    found: Resource | None = json.loads(text) if text else None
    return found


def apply(resources: Iterable[Resource], namespace: str = NAMESPACE) -> None:
    """Create or update the objects."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(resources)})
    options = ("--server-side", "--force-conflicts", "--field-manager", MANAGER, "--namespace", namespace)
    kubectl("apply", *options, "--filename", "-", stdin=text)


def secret(name: str, data: dict[str, str], labels: dict[str, str], kind: str = "Opaque") -> Resource:
    """Return a Secret with text values."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, "labels": labels},
        "data": encoded,
    }


def secret_data(name: str) -> dict[str, str] | None:
    """Return a Secret's values as text, or None if there is no such Secret."""
    found = find("secret", name)
    if found is None:
        return None
    return {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}


def set_ready(kind: str, name: str, **status: Any) -> None:
    """Set the condition Ready, for which `kubectl wait` waits: the operator's work is done."""
    status["conditions"] = [{"type": "Ready", "status": "True", "reason": "StandIn", "message": "made by the stand-in"}]
    kubectl(
        "patch", kind, name, "--subresource", "status", "--type", "merge", "--patch", json.dumps({"status": status})
    )
