"""Attacks on two real proxies: the one-machine stack's, and an nginx with the chart's configuration.

Real services are behind both. The tests run only by `make test-abuse`, which sets ABUSE_TESTS; the last lines of the
output show how each attack affected a normal user.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from local_stack.certificates import Authority
from local_stack.stack import Stack
from support import chart_proxy
from support.abuse_site import Site
from support.attacker import Attack, Outcome, attacking
from support.quiet_user import QuietUser
from support.raw_https import RawHttpsClient

collect_ignore_glob = [] if os.environ.get("ABUSE_TESTS") else ["test_*.py"]
CALM_SECONDS = 1.0
ATTACK_SECONDS = 3.0
MEMORY_SECONDS = 1.0  # the proxy's memory is measured this long before an attack stops
_report: list[str] = []


@pytest.fixture(scope="session", params=["one machine", "chart"])
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


@pytest.fixture
def attack(site: Site, request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """Return a function that runs an `Attack` with the given options and asserts that a quiet user is still served.

    The quiet user places orders, or sends the request `quiet`, during the attack, and every response must be a success.
    With `may_be_busy` half of them suffice and the others may be 503: these requests need a password hash, and a slow
    machine cannot compute enough of them.
    """

    def run(
        port: int | None = None,
        seconds: float = ATTACK_SECONDS,
        *,
        quiet: Callable[[], httpx.Response] = site.quiet.order,
        may_be_busy: bool = False,
        **options: object,
    ) -> Outcome:
        calm = site.quiet.repeat(quiet, CALM_SECONDS)
        chosen = Attack(port=port or site.order_port, ca=site.ca, seconds=seconds, **options)  # type: ignore[arg-type]
        with attacking(chosen) as outcome:
            attacked = site.quiet.repeat(quiet, seconds - MEMORY_SECONDS)
            outcome.proxy_bytes = sum(process.memory_full_info().uss for process in site.proxies())
        _report.append(
            f"{request.node.name}: quiet user median {calm.median():.0f} → {attacked.median():.0f} ms, "
            f"p99 {calm.p99():.0f} → {attacked.p99():.0f} ms; attacker {dict(outcome.ends)}, "
            f"proxy {outcome.proxy_bytes / 2**20:.0f} MiB"
        )

        successes = attacked.answers[200] + attacked.answers[201]
        assert successes >= attacked.answers.total() / (2 if may_be_busy else 1), attacked.answers
        assert set(attacked.answers) <= ({200, 201, 503} if may_be_busy else {200, 201}), attacked.answers
        return outcome

    return run


@pytest.fixture
def client(site: Site) -> RawHttpsClient:
    """A client that sends raw bytes to the proxy in front of order-api."""
    return RawHttpsClient(site.order_port, Path(site.ca))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _report:
        terminalreporter.write_line(line)


def _service_port(stack: Stack, name: str) -> int:
    return _port(next(service["url"] for service in stack.file["services"] if service["name"] == name))


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
