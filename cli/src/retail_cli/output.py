"""Standard output and standard error: reports as tables or JSON, and warnings."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from typing import TypeVar

import msgspec
import typer
from rich.console import Console

from retail_cli.rendering import Lines, escape

WIDTH_OF_A_FILE = 160
R = TypeVar("R", bound=msgspec.Struct)


def print_report(report: R, draw: Callable[[R], Lines], *, as_json: bool) -> None:
    """Write a report to standard output: as JSON, or as the tables that `draw` makes of it.

    Raise OSError if it cannot be written.
    """
    if as_json:
        print_json(msgspec.json.encode(report))
        return
    out = _stdout()
    console = Console(file=out, highlight=False, width=None if out.isatty() else WIDTH_OF_A_FILE)
    with console.capture() as drawn:
        for line in draw(report):
            console.print(line)
    out.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))
    out.flush()


def print_json(document: bytes) -> None:
    """Write a JSON document to standard output, indented, always in UTF-8. Raise OSError if it cannot be written."""
    out = _stdout()
    out.flush()
    out.buffer.write(msgspec.json.format(document, indent=2) + b"\n")
    out.buffer.flush()


def print_warning(sentence: str) -> None:
    """Write a sentence to standard error, with control characters escaped."""
    typer.echo("\n".join(map(escape, f"retail: {sentence}".split("\n"))), err=True)


def accept_any_locale() -> None:
    """Make standard output and error write characters that their encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def report_failed_output(error: OSError) -> None:
    """Report that standard output could not be written, and discard what is left to write.

    Without this, the interpreter would try to write again when it exits, and print an error of its own. A closed pipe
    is not reported: its reader, such as `head`, wants no more.
    """
    with contextlib.suppress(OSError):
        if error.errno != errno.EPIPE:
            print_warning(f"cannot write: {error.strerror or error}")
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stdout() -> io.TextIOWrapper:
    if sys.stdout is None:  # the caller closed standard output: `retail … >&-`
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout  # type: ignore[return-value]
