"""Files that only their owner can read, and secrets kept in them."""

import os
import secrets
import tempfile
from pathlib import Path


def folder(path: Path) -> Path:
    """Create the folder `path` with mode 700, independent of the umask, and return it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write(path: Path, content: str | bytes) -> Path:
    """Write the file `path` with mode 600, completely or not at all, and return it."""
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # created with mode 600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return path


def secret(path: Path, *, length: int = 32) -> str:
    """Return the secret kept in the file `path`, created from `length` random bytes by the first call."""
    if not path.exists():
        write(path, secrets.token_hex(length))
    return path.read_text(encoding="utf-8")
