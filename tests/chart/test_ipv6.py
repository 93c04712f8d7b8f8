"""A pod that has only an IPv6 address serves requests; tested in a separate network namespace."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.certificates import Authority
from support import chart_proxy, helm, manifests

NAMESPACE = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--net", "--map-root-user"]
TOOLS = bool(shutil.which("unshare") and shutil.which("ip"))
TRIAL = [*NAMESPACE, "ip", "addr", "add", "fd00::1/128", "dev", "lo"]
AVAILABLE = TOOLS and subprocess.run(TRIAL, capture_output=True, check=False, timeout=30).returncode == 0
MINIMAL = helm.CHART / "ci/minimal-values.yaml"


def admin_binds() -> set[str]:
    """Return the ADMIN_BIND of every service that the chart renders."""
    pods = manifests.pods(helm.rendered(MINIMAL))
    variables = [variable for pod in pods for variable in pod.spec["containers"][0]["env"]]
    return {variable["value"] for variable in variables if variable["name"] == "ADMIN_BIND"}


@pytest.mark.skipif(not AVAILABLE, reason="needs unshare and ip, network namespaces and IPv6")
def test_pod_with_only_an_ipv6_address_serves_requests(tmp_path: Path) -> None:
    """The proxy and the admin port respond on the pod's only address, the admin port also on 127.0.0.1."""
    chart_proxy.write(tmp_path, Authority(tmp_path / "authority"))
    (bind,) = admin_binds()
    command = [*NAMESPACE, sys.executable, "-m", "support.ipv6_only", str(tmp_path), bind]
    environ = {**os.environ, "PYTHONPATH": str(helm.ROOT / "tests")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [200, 200, 200]


def test_ipv6_can_be_switched_off_for_kernels_without_it() -> None:
    assert "listen [::]:8443 ssl " in chart_proxy.files()["nginx.conf"]
    assert "[::]" not in chart_proxy.files("--set", "proxy.ipv6=false")["nginx.conf"]
