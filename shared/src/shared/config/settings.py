"""Typed settings from environment variables; one error names every problem."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


class SettingsError(ValueError):
    """Some variables are missing or invalid; the message has one line for each."""


def env(
    name: str,
    parse: Callable[[str], Any] = str,
    *,
    default: str | None = None,
    help: str,  # noqa: A002 - the heading in the table of settings
    secret: bool = False,
) -> Any:
    """Return the dataclass field for the variable `name`.

    `parse` converts the text, or raises ValueError. `default` is text too; None means mandatory. A secret is hidden
    from repr, and can be read from a file whose path is in `<name>_FILE`.
    """
    return field(
        repr=not secret, metadata={"env": name, "parse": parse, "default": default, "help": help, "secret": secret}
    )


def load(cls: type[T], environ: Mapping[str, str]) -> T:
    """Return `cls` read from `environ`; raise SettingsError, which names every missing or invalid variable."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        try:
            values[item.name] = _value(item.metadata, environ)
        except (ValueError, OSError) as error:
            problems.append(f"{item.metadata['env']}: {error}")
    if problems:
        raise SettingsError("\n".join(problems))
    return cls(**values)


def _value(metadata: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    name: str = metadata["env"]
    text = environ.get(name)
    if metadata["secret"] and f"{name}_FILE" in environ:
        if text is not None:
            raise ValueError(f"set either {name} or {name}_FILE, not both")
        text = Path(environ[f"{name}_FILE"]).read_text(encoding="utf-8").strip()
    if not text:
        text = metadata["default"]
    if text is None:
        raise ValueError(f"is missing ({metadata['help']})")
    return metadata["parse"](text)


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the settings table in the README."""

    name: str
    default: str | None
    help: str
    secret: bool


def variables(cls: type[Any]) -> list[Variable]:
    """Return the variables that the settings dataclass `cls` reads, in the order of its fields."""
    return [
        Variable(m["env"], m["default"], m["help"], m["secret"]) for m in (f.metadata for f in dataclasses.fields(cls))
    ]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(env,))
def settings(cls: type[T]) -> type[T]:
    """Class decorator: a frozen, keyword-only dataclass of `env` fields."""
    return dataclass(frozen=True, kw_only=True)(cls)


def boolean(text: str) -> bool:
    """Parse true or false, in upper or lower case."""
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise ValueError(f"must be true or false, not {text!r}") from None


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser for whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {text!r}")
        return int(text)

    return parse


def words(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list; empty entries are dropped."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def file(text: str) -> Path:
    """Parse the path of an existing file."""
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"file {text!r} does not exist")
    return path


def folder(text: str) -> Path:
    """Parse the path of an existing directory."""
    path = Path(text)
    if not path.is_dir():
        raise ValueError(f"directory {text!r} does not exist")
    return path


def address(text: str) -> tuple[str, int]:
    """Parse `host:port`."""
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 2**16):
        raise ValueError(f"must be host:port, not {text!r}")
    return host, int(port)
