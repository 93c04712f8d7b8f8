"""The chart's alerts and their runbooks, and promtool (Debian's package `prometheus`) to test them on series."""

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from support import helm
from support.manifests import of_kind

PROMTOOL = shutil.which("promtool")


@dataclass(frozen=True)
class Firing:
    """A firing alert: its description, and its labels except `alertname` and `severity`."""

    description: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Series with a sample every `step` minutes, and the minutes at which the alert fires or is quiet."""

    series: dict[str, str]
    fires: dict[int, Firing]
    quiet: tuple[int, ...]
    step: int = 1


@cache
def spec() -> dict[str, Any]:
    """Return the groups of rules that the chart renders for release `shop` in namespace `retail`."""
    (rules,) = of_kind(helm.rendered(helm.CHART / "ci/everything-values.yaml"), "PrometheusRule")
    content: dict[str, Any] = rules["spec"]
    return content


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts by name."""
    return {rule["alert"]: rule for group in spec()["groups"] for rule in group["rules"] if "alert" in rule}


def runbooks() -> set[str]:
    """Return the anchors of the headings in docs/operations.md."""
    lines = (helm.ROOT / "docs/operations.md").read_text(encoding="utf-8").splitlines()
    headings = [line.lstrip("# ").strip().lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^a-z0-9 -]", "", heading).replace(" ", "-") for heading in headings}


def judge(folder: Path, name: str, case: Case) -> str:
    """Run promtool; return its errors, empty if the alert behaves as the case says."""
    rule = alerts()[name]
    annotations = {key: rule["annotations"][key] for key in ("summary", "runbook_url")}
    expected = [
        {
            "eval_time": f"{minute}m",
            "alertname": name,
            "exp_alerts": [
                {
                    "exp_labels": rule["labels"] | firing.labels,
                    "exp_annotations": annotations | {"description": firing.description},
                }
            ],
        }
        for minute, firing in case.fires.items()
    ]
    silent = [{"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []} for minute in case.quiet]
    given = [{"series": series, "values": values} for series, values in case.series.items()]
    test = {"interval": f"{case.step}m", "input_series": given, "alert_rule_test": expected + silent}
    (folder / "rules.json").write_text(yaml.dump(spec()))
    content = {"rule_files": ["rules.json"], "evaluation_interval": f"{case.step}m", "tests": [test]}
    (folder / "test.json").write_text(yaml.dump(content))
    command = [str(PROMTOOL), "test", "rules", str(folder / "test.json")]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return "" if judged.returncode == 0 else judged.stdout + judged.stderr
