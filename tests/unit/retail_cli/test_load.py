"""`retail load`: what it refuses before it sends anything."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from retail_cli import load
from retail_cli.load import Options, Summary
from retail_cli.load.shop import NoSystem
from retail_cli.main import app


def retail(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["load", *arguments])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--url", "https://localhost:1", "--count", "0"], "count must be from 1"),
        (["--url", "https://localhost:1", "--rate", "-1"], "rate must be from 0"),
        (["--url", "https://shop.example", "--count", "1"], "is not on this machine"),
    ],
)
def test_a_load_that_is_none_exits_with_2(arguments: list[str], sentence: str) -> None:
    result = retail(*arguments)

    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("\u2502", " ").split())


def test_without_an_address_or_a_local_stack_it_exits_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = retail("--count", "1")

    assert result.exit_code == 2
    assert "give --url, or start the local stack" in result.stderr


def summary(**changed: Any) -> Summary:
    figures = dict.fromkeys(("seed", "sent", "accepted", "refused", "unsettled", "verified"), 0)
    times = dict.fromkeys(("seconds", "per_second", "p50", "p90", "p99", "worst"), 0.0)
    return Summary(**{"run": "r", "statuses": {}, "dishonest": {}} | figures | times | changed)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (summary(), 0),
        (summary(wrong={"o1": "PROCESSED twice"}), 4),
        (summary(dishonest={"500": 1}), 4),
        (summary(unsettled=1), 4),
        (summary(refused=1), 4),
    ],
)
def test_a_broken_promise_exits_with_4(
    made: Summary, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(load, "run", lambda _options: made)

    result = retail("--url", "https://localhost:1", "--count", "1", "--ledger", str(tmp_path / "l"), "--json")

    assert result.exit_code == code
    assert json.loads(result.stdout)["ok"] == (code == 0)


def test_a_system_that_lets_nobody_in_exits_with_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(_options: Options) -> Summary:
        raise NoSystem("connection refused")

    monkeypatch.setattr(load, "run", refuse)

    result = retail("--url", "https://localhost:1", "--count", "1", "--ledger", str(tmp_path / "l"))

    assert (result.exit_code, "lets nobody in: connection refused" in result.stderr) == (3, True)
