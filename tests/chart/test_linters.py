"""The manifest linters find exactly what docs/kubernetes.md explains, and Helm 3 renders the same as Helm 4.

`make chart-lint` runs the linters that are on PATH and names the others; docs/kubernetes.md says how to install them.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import helm

EXAMPLES = sorted((helm.CHART / "ci").glob("*-values.yaml"))
DOCS = helm.ROOT / "docs/kubernetes.md"
KUBERNETES = "1.34.0"  # without this, a Helm built by `go install` assumes an old Kubernetes


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not on PATH")


def answered(linter: str) -> set[str]:
    """Return the names of a linter's checks that the table in docs/kubernetes.md explains."""
    found = re.findall(rf"^\| {linter} \| `([^`]+)` \| .{{20,}} \|$", DOCS.read_text(), re.MULTILINE)
    assert len(found) == len(set(found))
    return set(found)


def manifests(folder: Path) -> list[Path]:
    """Render the chart once for each example of values, each time into a file of its own; return the files."""
    files = [folder / values.name for values in EXAMPLES]
    for values, file in zip(EXAMPLES, files, strict=True):
        file.write_text(helm.template("--values", str(values)).stdout)
    return files


def findings(*command: str | Path) -> Any:
    """Run a linter and return the JSON that it prints; it may exit with an error code because of findings."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@needs("kube-score")
def test_docs_explain_exactly_the_findings_of_kube_score(tmp_path: Path) -> None:
    objects = findings("kube-score", "score", "--output-format", "json", *manifests(tmp_path))
    checks = [check for found in objects for check in found["checks"] or [] if not check["skipped"]]

    assert checks
    assert {check["check"]["id"] for check in checks if check["grade"] < 10} == answered("kube-score")


@needs("checkov")
def test_docs_explain_exactly_the_findings_of_checkov(tmp_path: Path) -> None:
    manifests(tmp_path)
    report = findings("checkov", "--directory", tmp_path, "--framework", "kubernetes", "--output", "json")

    assert report["results"]["passed_checks"]
    assert {check["check_id"] for check in report["results"]["failed_checks"]} == answered("checkov")


@needs("helm3")
@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_helm_3_and_helm_4_render_the_same_text(values: Path) -> None:
    """The output of both versions is the same, except for empty lines."""
    options = ("--namespace", helm.NAMESPACE, "--values", str(values), "--kube-version", KUBERNETES)
    command = ["helm3", "template", "retail", str(helm.CHART), *options]
    third = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    fourth = helm.template("--values", str(values), "--kube-version", KUBERNETES).stdout
    lines = [[line for line in text.splitlines() if line.strip()] for text in (third, fourth)]

    assert len(lines[0]) > 400
    assert lines[0] == lines[1]
