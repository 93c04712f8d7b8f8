"""Transcripts of `retail` in documents, the tables that the real command draws, and the parser of its arguments."""

import inspect
import re
import shlex
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from rich.console import Console
from typer.main import get_command

from retail_cli import key_reports, rendering
from retail_cli.main import app

MODULES = (rendering, key_reports)
RULE = re.compile(r"─{3,}")
PAIR = re.compile(r"  (\S.*?)(?:  |$)")
OUTCOMES = ("Redrive", "Include")  # the titles with which commands draw outcomes


class Layout(NamedTuple):
    """What an output consists of: tables as title and columns, and the labels of values."""

    tables: set[tuple[str, ...]]
    labels: set[str]


def commands(file: Path) -> Iterator[tuple[str, str]]:
    """Yield each command line `$ retail …` of the code blocks, without the `$`, and the output under it."""
    for block in re.findall(r"^```.*?\n(.*?)^```$", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
            line, _, output = part.partition("\n")
            if line.startswith("$ retail "):
                yield line.removeprefix("$ "), output


def mentions(file: Path) -> list[str]:
    """Return each complete `retail …` command in the text, except for help and version; a placeholder N becomes 1."""
    found = re.findall(r"`(retail [^`]*)`", file.read_text(encoding="utf-8"))
    return [
        re.sub(r"\b[A-Z]\b", "1", line) for line in found if not re.search(r"\[|…|-completion|--version|--help", line)
    ]


def parse(line: str, *, complete: bool = True) -> None:
    """Parse a command line as `retail` does, without running it; raise click's UsageError if it is wrong.

    With `complete` false, arguments may be missing.
    """
    command: Any = get_command(app)
    words = shlex.split(line, comments=True)[1:]
    while hasattr(command, "commands") and words:  # a group parses its own options, and leaves the rest to its command
        context = command.make_context("retail", [*words])
        words = [*context._protected_args, *context.args]
        command, words = command.commands[words[0]], words[1:]
    try:
        command.make_context("retail", words)
    except Exception as error:
        if complete or type(error).__name__ not in {"MissingParameter", "NoArgsIsHelpError"}:
            raise


def layout(output: str) -> Layout:
    """Find the tables and labels in an output."""
    lines = output.splitlines()
    tables, labels = set(), set()
    for number, line in enumerate(lines):
        if RULE.fullmatch(line.strip()) and number >= 2:
            tables.add((lines[number - 2].strip(), *re.split(r" {2,}", lines[number - 1].strip())))
        elif found := PAIR.match(line):
            labels.add(found[1])
    return Layout(tables, labels - {"…"})


def drawn() -> Layout:
    """Draw samples of every report, and return all their tables and labels."""
    console = Console(file=StringIO(), width=400)
    for draw in [value for module in MODULES for value in vars(module).values() if inspect.isfunction(value)]:
        kinds = get_type_hints(draw)
        if not (isinstance(kind := kinds.get("report"), type) or isinstance(kind := kinds.get("detail"), type)):
            continue
        titles: list[dict[str, Any]] = [{"title": title} for title in OUTCOMES] if "title" in kinds else [{}]
        for title in titles:
            for dry_run in (True, False):
                console.print(*draw(_sample(kind, dry_run=dry_run), **title), sep="\n")
    assert isinstance(console.file, StringIO)
    return layout(console.file.getvalue())


def _sample(kind: Any, *, dry_run: bool) -> Any:
    """Return a value of the type with every optional part, except `trouble`."""
    if get_origin(kind) in {Union, types.UnionType}:
        return _sample(get_args(kind)[0], dry_run=dry_run)
    if get_origin(kind) in {list, tuple}:
        return [_sample(get_args(kind)[0], dry_run=dry_run)]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        own = {"dry_run": dry_run, "trouble": None}
        return kind(
            **{
                name: own[name] if name in own else _sample(hints[name], dry_run=dry_run)
                for name in kind.__struct_fields__
            }
        )
    if get_origin(kind) is dict or kind is dict:
        return {}
    return {str: "x" * 30, int: 1, float: 1.0, bool: True, datetime: datetime(2030, 1, 1, tzinfo=UTC)}[kind]
