"""Prometheus with the chart's alerts, and Grafana with the chart's boards, next to the stack: `make run OBSERVE=1`."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml

from local_stack import secret_files
from local_stack.catalog import APIS
from local_stack.jars import cache
from local_stack.options import REPOSITORY, Folders, Observation, environment
from local_stack.ports import HOST
from local_stack.process import Part
from local_stack.services import is_ready

CHART = REPOSITORY / "charts" / "retail-orders"
RUNBOOKS = (REPOSITORY / "docs" / "operations.md").as_uri()
NAMESPACE, RELEASE = "local", "retail"
SELECTOR = f'namespace="{NAMESPACE}", pod=~"{RELEASE}-.*"'
DOWNLOAD_SECONDS = 120
GRAFANA_HOMES = (Path("/usr/share/grafana"), Path("/usr/local/share/grafana"))
NO_PROMETHEUS = (
    "no Prometheus: it is not on PATH, and apt cannot download Debian's package `prometheus`;"
    " the metrics are still available at the admin ports"
)
NO_GRAFANA = "no Grafana: it is not on PATH; import the boards in charts/retail-orders/dashboards into yours"
DEFAULT = Observation()
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def binary() -> Path | None:
    """Return the program of Prometheus: from PATH, or from Debian's package, unpacked without root; None if neither."""
    if found := shutil.which("prometheus"):
        return Path(found)
    folder = cache() / "prometheus"
    program = folder / "usr" / "bin" / "prometheus"
    if not program.exists():
        _unpack(folder)
    return program if program.exists() else None


def _unpack(folder: Path) -> None:
    """Download and unpack Debian's package into the folder, which appears complete or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        new = Path(temporary) / "new"
        try:
            _call("apt-get", "download", "prometheus", folder=Path(temporary))
            (package,) = Path(temporary).glob("prometheus_*.deb")
            _call("dpkg-deb", "--extract", str(package), str(new), folder=Path(temporary))
            new.rename(folder)
        except (OSError, ValueError, subprocess.SubprocessError):
            return


def _call(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=DOWNLOAD_SECONDS)


def rules(divisor: float = 1) -> str:
    """Return the chart's alerts for the local stack. For tests, `divisor` shortens all durations and age limits."""
    text = (CHART / "files" / "alerts.yaml").read_text(encoding="utf-8")
    for token, value in {
        "SELECTOR": SELECTOR,
        "NAMESPACE": NAMESPACE,
        "RELEASE": RELEASE,
        "APIS": "|".join(APIS),
        "RUNBOOKS": RUNBOOKS,
    }.items():
        text = text.replace(token, value)
    return text if divisor == 1 else _divided(text, divisor)


def _divided(text: str, divisor: float) -> str:
    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{max(2, round(int(found[2]) * _UNITS[found[3]] / divisor))}s"

    def younger(found: re.Match[str]) -> str:
        return f"{found[1]}{float(found[2]) / divisor:g}"

    text = re.sub(r"(\[|for: )(\d+)([smhd])\b", shorter, text)
    return re.sub(r"(_age_seconds\{[^}]*\}\) > )(\d+)", younger, text)


def part(
    folders: Folders, program: Path, *, port: int, admins: Mapping[str, str], observe: Observation = DEFAULT
) -> Part:
    """Return Prometheus as a part; `admins` maps each replica's name to the address of its admin port."""
    folder = folders.config("prometheus")
    interval = f"{observe.seconds}s"
    scrapes = [_scrape(service, admins) for service in sorted({name.rpartition("-")[0] for name in admins})]
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(secret_files.write(folder / "alerts.yaml", rules(observe.divisor)))],
        "scrape_configs": scrapes,
    }
    file = secret_files.write(folder / "prometheus.yaml", yaml.safe_dump(config))
    options = {
        "config.file": file,
        "web.listen-address": f"{HOST}:{port}",
        "storage.tsdb.path": folders.data("prometheus"),
        "storage.tsdb.retention.time": "2d",
        "log.format": "json",
    }
    return Part(
        name="prometheus",
        command=[str(program), *(f"--{name}={value}" for name, value in options.items())],
        environment=environment(),
        log=folders.log / "prometheus.log",
        ready=lambda: is_ready(check_url=f"http://{HOST}:{port}/-/ready"),
    )


def _scrape(service: str, admins: Mapping[str, str]) -> dict[str, object]:
    """Return the scrape job of a service, with the labels that a ServiceMonitor would give its replicas."""
    replicas = [
        {"targets": [url.removeprefix("http://")], "labels": {"namespace": NAMESPACE, "pod": f"{RELEASE}-{name}"}}
        for name, url in admins.items()
        if name.rpartition("-")[0] == service
    ]
    return {"job_name": f"{RELEASE}-{service}", "static_configs": replicas}


def grafana(folders: Folders, *, port: int, prometheus: str) -> Part | None:
    """Return Grafana as a part, without a login and with the boards, or None if it is not installed."""
    program = shutil.which("grafana")
    home = next((home for home in GRAFANA_HOMES if home.is_dir()), None)
    if program is None or home is None:
        return None
    provisioning = folders.config("grafana")
    boards = secret_files.folder(provisioning / "boards")
    for file in (CHART / "dashboards").glob("*.json"):
        secret_files.write(boards / file.name, file.read_text(encoding="utf-8").replace("RUNBOOKS", RUNBOOKS))
    source = {"name": "Prometheus", "type": "prometheus", "access": "proxy", "url": prometheus, "isDefault": True}
    provider = {"name": "boards", "type": "file", "options": {"path": str(boards)}}
    for kind, content in {"datasources": source, "dashboards": provider}.items():
        key = "providers" if kind == "dashboards" else kind
        text = yaml.safe_dump({"apiVersion": 1, key: [content]})
        secret_files.write(secret_files.folder(provisioning / kind) / "retail.yaml", text)
    variables = {
        "GF_PATHS_DATA": str(folders.data("grafana")),
        "GF_PATHS_PROVISIONING": str(provisioning),
        "GF_SERVER_HTTP_ADDR": HOST,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    }
    return Part(
        name="grafana",
        command=[program, "server", "--homepath", str(home)],
        environment=environment(**variables),
        log=folders.log / "grafana.log",
        ready=lambda: is_ready(check_url=f"http://{HOST}:{port}/api/health"),
    )


def parts(
    folders: Folders,
    ports: Mapping[str, int],
    admins: Mapping[str, str],
    observe: Observation,
    *,
    say: Callable[[str], None],
) -> Iterator[Part]:
    """Yield Prometheus and then Grafana; stop at the first that is not available. `say` gets a sentence for each."""
    program = binary()
    if program is None:
        say(NO_PROMETHEUS)
        return
    yield part(folders, program, port=ports["prometheus"], admins=admins, observe=observe)
    say(f"Prometheus with the alerts: http://{HOST}:{ports['prometheus']}/alerts")
    board = grafana(folders, port=ports["grafana"], prometheus=f"http://{HOST}:{ports['prometheus']}")
    if board is None:
        say(NO_GRAFANA)
        return
    yield board
    say(f"Grafana with the boards: http://{HOST}:{ports['grafana']}/dashboards?tag=retail-orders")
