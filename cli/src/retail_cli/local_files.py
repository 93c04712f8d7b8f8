"""The files of the local stack (`make run`), found from any folder inside the checkout."""

from pathlib import Path
from typing import TypeVar

import msgspec

from shared.config.settings import SettingsError

LOCAL_STACK = Path(".local/stack.json")
LOCAL_ENV_FILE = Path(".local/clients/operator.env")


class StackService(msgspec.Struct, frozen=True):
    """One replica of a service."""

    name: str
    replica: int
    admin_url: str


class StackServices(msgspec.Struct, frozen=True):
    """The part of stack.json that says where the replicas are."""

    services: list[StackService]


class StackAddress(msgspec.Struct, frozen=True):
    """The part of stack.json that says where the public API is: its URL, and the file of its certificate authority."""

    base_url: str
    ca: str


Part = TypeVar("Part", StackServices, StackAddress)


def find_local(file: Path, folder: Path | None = None) -> Path | None:
    """Return the path of `file` in `folder` (default: the working directory) or the nearest folder above that has it.

    Return None if no folder has it.
    """
    folder = folder or Path.cwd()
    return next((above / file for above in (folder, *folder.parents) if (above / file).is_file()), None)


def read_stack(path: Path | None, part: type[Part], *, instead: str) -> Part:
    """Read a part of the stack.json at `path`, which is None if no such file was found.

    If the file is missing, unreadable or damaged, raise SettingsError that suggests `instead`.
    """
    advice = f"start the local stack with `make run` and call this inside its checkout, or use {instead}"
    if path is None:
        raise SettingsError(f"there is no {LOCAL_STACK} here or in a folder above: {advice}")
    try:
        return msgspec.json.decode(path.read_bytes(), type=part)
    except FileNotFoundError:
        raise SettingsError(f"there is no {path}: {advice}") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is not readable or is damaged ({error}): {advice}") from None
