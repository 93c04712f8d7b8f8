"""Clients that request large responses and do not read them, at the chart's proxy in a real nginx."""

from pathlib import Path

import pytest
import yaml

from local_stack.certificates import Authority
from support import chart_proxy, helm, proxy_use, wait
from support.attacker import Attack, attacking
from support.raw_https import RawHttpsClient, assert_problem

READS = 384  # the limits of all clients, in limits.conf
DOCS = 64
BODIES = 1536
BODY_BYTES = 60 * 1024  # see tests/abuse/test_slow_clients.py
KERNEL_BYTES = 128 * 1024  # for one connection: the kernel doubles the 64 KiB of `sndbuf`
UNLIMITED = ("unauthenticatedBurst", "unauthenticatedPerSecond", "requestsPerReplica")


@pytest.mark.parametrize(("path", "limit"), [("/large", READS), ("/docs/large", DOCS)])
def test_orders_pass_while_clients_do_not_read_large_responses(
    tmp_path: Path, service: int, path: str, limit: int
) -> None:
    """Even if every other connection held a slow body, the memory would stay within the pod's limit."""
    authority = Authority(tmp_path / "authority")
    options = ",".join(f"proxy.limits.{name}=9999" for name in UNLIMITED)
    with chart_proxy.running(tmp_path, authority, service, "--set", options) as proxy:
        client = RawHttpsClient(proxy.port, authority.certificate)
        attack = Attack(
            port=proxy.port,
            ca=str(authority.certificate),
            addresses=8,
            connections=480,
            seconds=5,
            first=f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            stall=True,
        )
        with proxy_use.measuring(proxy.pid) as largest_use, attacking(attack) as outcome:
            rejected = wait.until(lambda: a if (a := client.ask(f"GET {path} HTTP/1.1")).status == 429 else None, "429")
            placed = client.ask("POST /order HTTP/1.1", "Content-Length: 2\r\n", b"{}")

    memory = yaml.safe_load((helm.CHART / "values.yaml").read_text())["proxy"]["resources"]["limits"]["memory"]
    assert_problem(rejected, 429)
    assert placed.status == 200
    assert 0 < outcome.ends["200"] <= limit, outcome
    used = largest_use().bytes + limit * KERNEL_BYTES + BODIES * BODY_BYTES
    assert used < int(memory.removesuffix("Mi")) * 2**20
