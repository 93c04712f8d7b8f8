"""Files that only their owner may read, and secrets made once and kept in them."""

import os
import secrets
import tempfile
from pathlib import Path


def folder(path: Path) -> Path:
    """Make the folder `path` with mode 700, whatever the umask, and return it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write(path: Path, content: str | bytes) -> Path:
    """Write the file `path` with mode 600, all of it or nothing of it, and return it."""
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # made with mode 600
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    Path(unfinished).replace(path)
    return path


def secret(path: Path, *, length: int = 32) -> str:
    """Return the secret kept in the file `path`, made of `length` random bytes the first time."""
    if not path.exists():
        write(path, secrets.token_hex(length))
    return path.read_text(encoding="utf-8")
