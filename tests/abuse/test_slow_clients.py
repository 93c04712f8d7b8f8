"""Clients that open many connections and send a few bytes at a time, or none."""

import re
from collections.abc import Callable

import yaml

from support import helm
from support.abuse_site import Site
from support.attacker import Outcome

CONNECTIONS = 1100
HEAD = (
    "POST /order HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n"
    "Content-Length: 65000\r\n\r\n"
)
ADDRESSES = 60  # as in docs/threat-model.md; 64 addresses would reach ALL_BODIES


def figure(file: str, directive: str) -> int:
    """Return the number after `directive` in a configuration file of the chart's proxy."""
    text = (helm.CHART / "files/proxy" / file).read_text(encoding="utf-8")
    (number,) = re.findall(rf"^ *{directive} (\d+);", text, re.MULTILINE)
    return int(number)


VALUES = yaml.safe_load((helm.CHART / "values.yaml").read_text(encoding="utf-8"))["proxy"]
POD_CONNECTIONS = figure("nginx.conf", "worker_connections")
POD_LIMIT_BYTES = int(VALUES["resources"]["limits"]["memory"].removesuffix("Mi")) * 2**20
ALL_BODIES = figure("limits.conf", "limit_conn bodies")
PER_ADDRESS = VALUES["limits"]["bodiesPerAddress"]


def test_too_many_slow_bodies_of_one_address_are_rejected(attack: Callable[..., Outcome]) -> None:
    outcome = attack(connections=CONNECTIONS, first=HEAD, then="x", every=1.5, seconds=5)

    assert outcome.ends["429"] >= CONNECTIONS - PER_ADDRESS
    assert outcome.statuses() == {429}


def test_too_many_bodies_that_slow_down_after_60_kb_are_rejected(attack: Callable[..., Outcome]) -> None:
    outcome = attack(connections=500, first=HEAD + "x" * 60_000, then="x", every=1.5, seconds=4)

    assert outcome.ends["429"] >= 500 - PER_ADDRESS
    assert outcome.statuses() == {429}


def test_orders_succeed_during_slow_bodies_from_60_addresses(attack: Callable[..., Outcome]) -> None:
    """Each address sends as many slow bodies as it may.

    A pod with such a body on each of its connections would stay within its memory limit.
    """
    count = ADDRESSES * PER_ADDRESS
    outcome = attack(
        connections=count, addresses=ADDRESSES, first=HEAD + "x" * 64_000, then="x", every=1.5, seconds=4.5
    )

    assert outcome.ends == {"held": count}
    assert outcome.proxy_files >= 2 * count  # a connection and the file of its body
    assert outcome.proxy_bytes / count * POD_CONNECTIONS < POD_LIMIT_BYTES


def test_reads_succeed_during_slow_bodies_from_many_addresses(attack: Callable[..., Outcome], site: Site) -> None:
    outcome = attack(
        connections=70 * PER_ADDRESS, addresses=70, first=HEAD, then="x", every=2, seconds=4.5, quiet=site.quiet.read
    )

    assert outcome.ends["429"] >= 70 * PER_ADDRESS - ALL_BODIES
    assert outcome.statuses() == {429}
    assert outcome.ends["held"] >= ALL_BODIES / 2


def test_connection_is_closed_when_its_body_stalls(attack: Callable[..., Outcome]) -> None:
    outcome = attack(connections=PER_ADDRESS // 2, first=HEAD, then="x", every=20, seconds=7)

    assert outcome.ends["held"] <= PER_ADDRESS // 2
    assert outcome.ends["closed"] + outcome.ends["408"] >= PER_ADDRESS // 2


def test_connections_with_slow_headers_are_closed(attack: Callable[..., Outcome]) -> None:
    outcome = attack(
        connections=CONNECTIONS, first="GET / HTTP/1.1\r\nHost: localhost\r\nX: ", then="x", every=1, seconds=7
    )

    assert outcome.ends["closed"] + outcome.ends["408"] >= CONNECTIONS
    assert outcome.proxy_files >= CONNECTIONS / 2  # at the same time; a slow machine needs long for the handshakes


def test_connections_with_slow_tls_handshakes_are_closed(attack: Callable[..., Outcome]) -> None:
    outcome = attack(connections=CONNECTIONS, first="\x16\x03\x01", then="\x01", every=1, seconds=7, tls=False)

    assert outcome.ends["closed"] >= CONNECTIONS
    assert outcome.proxy_files >= CONNECTIONS
