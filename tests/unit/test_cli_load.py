"""`retail load`: what it refuses before it sends anything."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

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
