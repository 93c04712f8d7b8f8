"""Typed settings from environment variables; one error names every problem."""

import dataclasses
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")
_DATABASE = re.compile(r"[A-Za-z0-9_-]{1,63}", re.ASCII)


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
    """Return the dataclass field for the environment variable `name`.

    `parse` converts the variable's text, or raises ValueError. `default` is parsed in the same way; without a default
    the variable is mandatory. A secret is hidden from repr, and can be read from a file whose path is in `<name>_FILE`.
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
        text = _read_secret(Path(environ[f"{name}_FILE"].strip()))
    text = (text or "").strip()
    if not text:
        text = metadata["default"]
    if text is None:
        raise ValueError(f"is missing ({metadata['help']})")
    return metadata["parse"](text)


def _read_secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read the file {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {str(path)!r} is not UTF-8 text") from None


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
    """Decorate a class of `env` fields: make it a frozen, keyword-only dataclass."""
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


def database_name(text: str) -> str:
    """Parse the name of a MongoDB database."""
    if not _DATABASE.fullmatch(text):
        raise ValueError(f"must be 1 to 63 letters, digits, - and _, not {text!r}")
    return text


def servers(text: str) -> str:
    """Parse a comma-separated list of `host:port`; blanks around the commas are dropped."""
    addresses = [part.strip() for part in text.split(",")]
    for one in addresses:
        if not one:
            raise ValueError("must be a list of host:port without empty entries")
        address(one)
    return ",".join(addresses)


def file(text: str) -> Path:
    """Parse the path of an existing file."""
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"file {text!r} does not exist")
    return path


def ca_file(text: str) -> Path:
    """Parse the path of a PEM file with a CA certificate; without this check, a client's error would name no cause."""
    path = file(text)
    try:
        ssl.create_default_context(cafile=path)
    except PermissionError:
        raise ValueError(f"cannot read the file {text!r}: permission denied") from None
    except (OSError, ValueError):
        raise ValueError(f"{text!r} contains no valid CA certificate") from None
    return path


def folder(text: str) -> Path:
    """Parse the path of an existing directory."""
    path = Path(text)
    if not path.is_dir():
        raise ValueError(f"directory {text!r} does not exist")
    return path


def address(text: str) -> tuple[str, int]:
    """Parse `host:port` or `[IPv6 address]:port`; the host is returned without brackets."""
    host, colon, port = text.rpartition(":")
    in_brackets = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if in_brackets else host
    if not (host and colon and port.isdecimal() and int(port) < 2**16 and in_brackets == (":" in host)):
        raise ValueError(f"must be host:port, not {text!r}")
    return host, int(port)
