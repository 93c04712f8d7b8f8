"""Prometheus and Grafana of the local stack: their configuration, and what happens without Prometheus."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack import prometheus
from local_stack.options import Folders, Observation

ADMINS = {"order-api-0": "http://127.0.0.1:1", "order-api-1": "http://127.0.0.1:2", "auth-api-0": "http://127.0.0.1:3"}
PORTS = {"prometheus": 4, "grafana": 5}


def test_every_replica_is_scraped_with_the_labels_of_kubernetes(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    part = prometheus.part(folders, Path("/bin/prometheus"), port=4, admins=ADMINS)
    config = yaml.safe_load((folders.config("prometheus") / "prometheus.yaml").read_text())
    jobs = {job["job_name"]: job["static_configs"] for job in config["scrape_configs"]}

    assert jobs["retail-order-api"] == [
        {"targets": ["127.0.0.1:1"], "labels": {"namespace": "local", "pod": "retail-order-api-0"}},
        {"targets": ["127.0.0.1:2"], "labels": {"namespace": "local", "pod": "retail-order-api-1"}},
    ]
    assert set(jobs) == {"retail-order-api", "retail-auth-api"}
    assert "--web.listen-address=127.0.0.1:4" in part.command


def test_alerts_have_no_unreplaced_placeholder() -> None:
    rules = prometheus.rules()
    text = "\n".join(line for line in rules.splitlines() if not line.startswith("#"))

    assert not any(token in text for token in ("SELECTOR", "NAMESPACE", "RELEASE", "APIS", "RUNBOOKS"))
    assert 'up{namespace="local", pod=~"retail-.*"} == 0' in text


def test_divisor_shortens_alert_durations_and_ages_but_not_certificate_expiry() -> None:
    divided = prometheus.rules(20)
    alerts = {
        rule["alert"]: rule for group in yaml.safe_load(divided)["groups"] for rule in group["rules"] if "alert" in rule
    }

    assert alerts["TargetDown"]["for"] == "15s"
    assert alerts["OrdersUnprocessed"]["expr"].endswith(") > 6")
    assert "[15s]" in alerts["DeadLetters"]["expr"]
    assert "7 * 86400" in alerts["CertificateExpiringSoon"]["expr"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("divisor", [1, 20])
def test_prometheus_accepts_its_configuration(tmp_path: Path, divisor: float) -> None:
    folders = Folders(tmp_path)
    prometheus.part(folders, Path("/bin/prometheus"), port=4, admins=ADMINS, observe=Observation(divisor=divisor))
    command = ["promtool", "check", "config", str(folders.config("prometheus") / "prometheus.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_missing_prometheus_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "binary", lambda: None)
    said: list[str] = []

    assert [*prometheus.parts(Folders(tmp_path), PORTS, ADMINS, Observation(), say=said.append)] == []
    assert said == [prometheus.NO_PROMETHEUS]


def test_prometheus_package_is_unpacked_without_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(*command: str, folder: Path) -> None:
        if command[0] == "apt-get":
            (folder / "prometheus_1_amd64.deb").touch()
        else:
            program = Path(command[-1]) / "usr" / "bin" / "prometheus"
            program.parent.mkdir(parents=True)
            program.touch()

    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(prometheus, "cache", lambda: tmp_path)
    monkeypatch.setattr(prometheus, "_call", call)

    assert prometheus.binary() == tmp_path / "prometheus" / "usr" / "bin" / "prometheus"


def test_machine_without_apt_gets_no_prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(*_: Any, **__: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(prometheus, "cache", lambda: tmp_path)
    monkeypatch.setattr(prometheus, "_call", call)

    assert prometheus.binary() is None
    assert [*tmp_path.iterdir()] == []


def test_installed_grafana_gets_the_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(prometheus, "GRAFANA_HOMES", (tmp_path,))
    said: list[str] = []
    folders = Folders(tmp_path)
    names = [part.name for part in prometheus.parts(folders, PORTS, ADMINS, Observation(), say=said.append)]
    boards = folders.config("grafana") / "boards"

    assert names == ["prometheus", "grafana"]
    assert len([*boards.iterdir()]) == 5
    assert "RUNBOOKS" not in (boards / "orders.json").read_text()
    assert len(said) == 2
