"""The command with standard output closed, full or not UTF-8; its version, and the examples in its help."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from retail_cli.main import app
from support import transcripts

PROGRAM = """
import sys
from fakes.operator import FakeSession, order
from retail_cli import main, settings

main.Session = lambda load: FakeSession(order("o1", userid="J\\u00f3zef \\u2603", status="FAILED"))
main.main()
"""
TESTS = Path(__file__).parents[2]


def run(*arguments: str, stdout: Any = subprocess.PIPE, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a separate process, with orders in memory."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(TESTS)} | environ,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("orders", "list"), ("orders", "list", "--json"), ("--help",)])
def test_full_standard_output_is_reported_with_exit_code_1(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(*arguments, stdout=full)

    assert (done.returncode, done.stderr) == (1, b"retail: cannot write: No space left on device\n")


@pytest.mark.parametrize("arguments", [("orders", "list"), ("--help",)])
def test_closed_pipe_stops_the_command_silently(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(*arguments, stdout=writer)
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (1, b"")


def test_closed_standard_output_is_reported_with_exit_code_1() -> None:
    command = shlex.join([sys.executable, "-c", PROGRAM, "orders", "list"])
    environ = os.environ | {"PYTHONPATH": str(TESTS)}

    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} >&-"], stderr=subprocess.PIPE, env=environ, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (1, b"retail: cannot write: Bad file descriptor\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(("orders", "list"), rb"J\xf3zef \u2603"), (("orders", "--help"), b"Examples:")],
    ids=["list", "help"],
)
def test_ascii_terminal_gets_escapes_instead_of_an_error(arguments: tuple[str, ...], expected: bytes) -> None:
    done = run(*arguments, PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert expected in done.stdout


def test_json_is_utf8_whatever_the_terminal_encoding() -> None:
    done = run("orders", "list", "--json", PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stderr) == (0, b"")
    assert "Józef ☃" in done.stdout.decode("utf-8")


def test_version_is_printed_without_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, ["--version"])

    assert (result.exit_code, result.stdout) == (0, "retail 0.1.0\n")


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield `(words, command)` for `command` and all its subcommands; `words` are the arguments that select it."""
    yield path, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, *path, name)


COMMANDS = dict(commands(get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_examples_in_the_help_of_every_command_are_valid(path: tuple[str, ...]) -> None:
    examples = [line for line in (COMMANDS[path].epilog or "").splitlines() if line.startswith("  retail ")]
    printed = " ".join(CliRunner().invoke(app, [*path, "--help"]).stdout.split())

    assert len(examples) >= 2
    assert "Examples:" in printed
    for example in examples:
        words = shlex.split(example)[1:]
        assert tuple(words[: len(path)]) == path
        assert words[-1] in printed
        transcripts.parse(example)
