"""Attacks on two real proxies: that of the local stack, and an nginx with the chart's configuration.

Real services run behind each proxy. The tests run only by `make test-abuse`, which sets ABUSE_TESTS. The output ends
with a table of how each attack affected a normal user. With ABUSE_ROUNDS=5 it shows the medians of five rounds: on each
proxy, all attacks of the first round, then all of the second, and so on. The time directly before an attack is its calm
time, so both are affected alike by what else runs on the machine.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest

from local_stack.certificates import Authority
from local_stack.stack import Stack
from support import chart_proxy, proxy_use
from support.abuse_site import Site, UnusedAddresses
from support.attacker import Attack, Outcome, attacking
from support.quiet_user import QuietUser
from support.raw_https import RawHttpsClient

collect_ignore_glob = [] if os.environ.get("ABUSE_TESTS") else ["test_*.py"]
ROUNDS = int(os.environ.get("ABUSE_ROUNDS", "1"))
SITES = ["one machine", "chart"]
CALM_SECONDS = 0.5
ATTACK_SECONDS = 3.0
SPARE_SECONDS = 1.0  # the quiet user starts no request in the last second of an attack, so that it affects every one


@dataclass(frozen=True)
class Measurement:
    """The quiet user's response times in ms in one round: before the attack (`quiet_...`) and during it."""

    quiet_median: float
    median: float
    quiet_p99: float
    p99: float


_measurements: defaultdict[tuple[str, str], list[Measurement]] = defaultdict(list)  # by attack and proxy


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with the fixture `attack` once per round."""
    if ROUNDS > 1 and "attack" in metafunc.fixturenames:
        metafunc.fixturenames.append("round_")
        metafunc.parametrize("round_", range(ROUNDS))


@pytest.hookimpl(trylast=True)  # after pytest has grouped the tests by the parameter of `site`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all attacks of a round on a proxy before its next round."""
    if ROUNDS > 1:
        items.sort(key=_site_and_round)


def _site_and_round(item: pytest.Item) -> tuple[int, int]:
    callspec = getattr(item, "callspec", None)
    params: dict[str, Any] = callspec.params if callspec else {}
    return SITES.index(params["site"]) if "site" in params else 0, params.get("round_", 0)


@pytest.fixture(scope="session", params=SITES)
def site(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as exits:
        if request.param == "one machine":
            order_port = auth_port = _port(stack.base_url)
            pid = stack.pids["proxy"]
        else:
            authority = Authority(Path(stack.ca).parent)
            orders, accounts = (
                exits.enter_context(
                    chart_proxy.running(tmp_path_factory.mktemp(name), authority, _service_port(stack, name))
                )
                for name in ("order-api", "auth-api")
            )
            order_port, auth_port, pid = orders.port, accounts.port, orders.pid
        quiet = QuietUser(f"https://localhost:{order_port}", f"https://localhost:{auth_port}", stack.ca)
        yield Site(order_port, auth_port, stack.ca, quiet, pid)


@pytest.fixture(scope="session")
def unused_addresses() -> UnusedAddresses:
    return UnusedAddresses()


@pytest.fixture
def attack(site: Site, unused_addresses: UnusedAddresses, request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """Return a function that runs an `Attack` with the given options and asserts that a quiet user is still served.

    Each attack comes from addresses of its own. The quiet user sends the request `quiet`, by default an order, again
    and again before and during the attack. Every response that this user gets during the attack must be a success.
    """

    def run(
        port: int | None = None,
        seconds: float = ATTACK_SECONDS,
        *,
        quiet: Callable[[], httpx.Response] = site.quiet.order,
        addresses: int = 1,
        **options: object,
    ) -> Outcome:
        # With several rounds, measure as long before the attack as during it: a p99 depends on the number of requests.
        quiet_seconds = CALM_SECONDS if ROUNDS == 1 else seconds - SPARE_SECONDS
        calm = site.quiet.repeat(quiet, quiet_seconds)
        chosen = Attack(
            port=port or site.order_port,
            ca=site.ca,
            seconds=seconds,
            first_address=unused_addresses.take(addresses),
            addresses=addresses,
            **options,  # type: ignore[arg-type]
        )
        with proxy_use.measuring(site.proxy_pid) as largest_use, attacking(chosen) as outcome:
            attacked = site.quiet.repeat(quiet, seconds - SPARE_SECONDS)
        use = largest_use()
        outcome.proxy_bytes, outcome.proxy_files = use.bytes, use.files
        _measurements[_attack_name(request), request.node.callspec.params["site"]].append(
            Measurement(calm.median(), attacked.median(), calm.p99(), attacked.p99())
        )
        print(f"attacker {dict(outcome.ends)}, proxy {use.bytes / 2**20:.0f} MiB, {use.files} open files")

        assert attacked.answers
        assert set(attacked.answers) <= {200, 201}, attacked.answers
        return outcome

    return run


@pytest.fixture
def client(site: Site) -> RawHttpsClient:
    """A client that sends raw bytes to the proxy in front of order-api."""
    return RawHttpsClient(site.order_port, Path(site.ca))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _measurements:
        return
    terminalreporter.write_line(f"The quiet user's response times in ms, quiet → during the attack; rounds: {ROUNDS}")
    terminalreporter.write_line("| attack | proxy | median | p99 | p99, times |")
    terminalreporter.write_line("|---|---|---|---|---|")
    for (attack, proxy), rounds in _measurements.items():
        quiet, attacked = median(r.quiet_p99 for r in rounds), median(r.p99 for r in rounds)
        medians = f"{median(r.quiet_median for r in rounds):.0f} → {median(r.median for r in rounds):.0f}"
        terminalreporter.write_line(
            f"| {attack} | {proxy} | {medians} | {quiet:.0f} → {attacked:.0f} "
            f"| {attacked / quiet if quiet else 0:.1f} |"
        )


def _attack_name(request: pytest.FixtureRequest) -> str:
    """Return the test's name in words, with its parameters other than the proxy and the round."""
    params = {name: value for name, value in request.node.callspec.params.items() if name not in {"site", "round_"}}
    names = [getattr(value, "__name__", str(value)) for value in params.values()]
    return ": ".join([request.function.__name__.removeprefix("test_"), *names]).replace("_", " ")


def _service_port(stack: Stack, name: str) -> int:
    return _port(next(service["url"] for service in stack.file["services"] if service["name"] == name))


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
