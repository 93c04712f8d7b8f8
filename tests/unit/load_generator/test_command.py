"""`retail load`: the options that it refuses, its table and its exit codes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import load_generator
from load_generator import Options, Summary, command
from load_generator.client import SystemUnavailable
from load_generator.progress import LoadProgress, live
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
def test_invalid_options_exit_with_2(arguments: list[str], sentence: str) -> None:
    result = retail(*arguments)

    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("\u2502", " ").split())


def test_load_without_address_or_local_stack_exits_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = retail("--count", "1")

    assert result.exit_code == 2
    assert "start the local stack with `make run`" in result.stderr


def test_refused_connection_exits_with_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "START_SECONDS", 0.0)  # otherwise the command retries for 5 s

    result = retail("--url", "https://localhost:1", "--count", "1", "--ledger", str(tmp_path / "l"))

    assert result.exit_code == 3
    assert "retail: could not register a user at https://localhost:1: ClientConnectorError" in result.stderr


def test_table_printed_without_a_terminal_ends_with_a_newline() -> None:
    out = io.StringIO()

    with live(LoadProgress(), Console(file=out, force_terminal=False)):
        pass

    assert out.getvalue().splitlines()[-1].split() == ["answers"]
    assert out.getvalue().endswith("\n")


def test_unwritable_ledger_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()

    result = retail("--url", "https://localhost:1", "--count", "1", "--ledger", str(tmp_path / "plain/l"))

    assert result.exit_code == 2
    assert str(tmp_path / "plain") in "".join(result.stderr.replace("\u2502", "").split())


def summary(**changed: Any) -> Summary:
    figures = dict.fromkeys(("seed", "sent", "accepted", "refused", "unsettled", "verified"), 0)
    times = dict.fromkeys(("seconds", "per_second", "p50", "p90", "p99", "worst"), 0.0)
    return Summary(**{"run": "r", "statuses": {}, "contract_violations": {}} | figures | times | changed)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (summary(), 0),
        (summary(failures={"o1": "PROCESSED twice"}), 4),
        (summary(contract_violations={"500": 1}), 4),
        (summary(unsettled=1), 4),
        (summary(refused=1), 4),
    ],
)
def test_broken_promise_exits_with_4_and_success_with_0(
    made: Summary, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(load_generator, "run", lambda _options: made)

    result = retail("--url", "https://localhost:1", "--count", "1", "--ledger", str(tmp_path / "l"), "--json")

    assert result.exit_code == code
    assert json.loads(result.stdout)["ok"] == (code == 0)


def test_load_of_an_unavailable_system_exits_with_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(_options: Options) -> Summary:
        raise SystemUnavailable("connection refused")

    monkeypatch.setattr(load_generator, "run", refuse)

    result = retail("--url", "https://localhost:1", "--count", "1", "--ledger", str(tmp_path / "l"))

    assert (
        result.exit_code,
        "could not register a user at https://localhost:1: connection refused" in result.stderr,
    ) == (3, True)
