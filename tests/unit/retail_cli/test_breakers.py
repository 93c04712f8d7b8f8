"""`retail breakers`: the state of each circuit breaker, read from the admin ports of replicas."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner, Result

from retail_cli.main import app
from shared.resilience.breaker import Breaker
from shared.telemetry.admin import AdminServer
from shared.telemetry.metrics import BreakerMetrics


@pytest.fixture
def replica() -> Iterator[tuple[str, Breaker]]:
    """Return the URL of an admin port that shows the metrics of one breaker, and that breaker."""
    registry = CollectorRegistry()
    breaker = Breaker("mongodb", BreakerMetrics(registry))
    server = AdminServer(("127.0.0.1", 0), registry, live=lambda: None, ready=lambda: None)
    yield f"http://127.0.0.1:{server.port}", breaker
    server.close()


def retail(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["breakers", *arguments])


def test_command_shows_the_state_and_counts_of_each_breaker(replica: tuple[str, Breaker]) -> None:
    url, breaker = replica
    breaker.acquire().ok()
    for _ in range(5):
        breaker.acquire().failed()

    result = retail("--admin", url, "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["replicas"] == [
        {
            "name": url,
            "admin_url": url,
            "trouble": None,
            "breakers": [{"breaker": "mongodb", "state": "open", "ok": 1, "failed": 5, "rejected": 0, "opened": 1}],
        }
    ]


def test_replicas_are_found_in_the_local_stack_file(replica: tuple[str, Breaker], tmp_path: Path) -> None:
    services = [{"name": "order-api", "replica": 1, "admin_url": replica[0]}]
    stack = tmp_path / "stack.json"
    stack.write_text(json.dumps({"services": services}))

    result = retail("--stack", str(stack))

    assert result.exit_code == 0
    assert "order-api-1 mongodb closed" in " ".join(result.stdout.split())


def test_unreachable_replica_is_shown_with_exit_code_3(replica: tuple[str, Breaker]) -> None:
    result = retail("--admin", replica[0], "--admin", "http://127.0.0.1:1")

    assert result.exit_code == 3
    assert "closed" in result.stdout
    assert "unreachable" in result.stdout
    assert "no response from http://127.0.0.1:1" in result.stderr


DAMAGED = [
    "[]",
    "{",
    "\xff",
    '{"services": [{"name": "x"}]}',
    '{"services": [{"name": "x", "replica": 0, "admin_url": 5}]}',
]


@pytest.mark.parametrize("content", [None, *DAMAGED])
def test_missing_or_damaged_stack_file_exits_with_2(content: str | None, tmp_path: Path) -> None:
    stack = tmp_path / "stack.json"
    if content is not None:
        stack.write_text(content)

    result = retail("--stack", str(stack))

    assert result.exit_code == 2
    assert str(stack) in result.stderr


def test_stack_file_is_found_in_a_folder_above(
    replica: tuple[str, Breaker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = [{"name": "order-api", "replica": 1, "admin_url": replica[0]}]
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/stack.json").write_text(json.dumps({"services": services}))
    (tmp_path / "docs/deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "docs/deep")

    result = retail("--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["replicas"][0]["name"] == "order-api-1"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1", "nonsense"])
def test_address_that_is_not_http_is_reported_as_unreachable(url: str) -> None:
    result = retail("--admin", url, "--json")

    assert result.exit_code == 3
    assert json.loads(result.stdout)["replicas"][0]["breakers"] == []
    assert "is not an HTTP address" in json.loads(result.stdout)["replicas"][0]["trouble"]
