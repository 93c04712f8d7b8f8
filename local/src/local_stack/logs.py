"""The logs of the parts: each has at most about 20 MiB, and one older file."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Never

from local_stack import secret_files

LOG_BYTES = 20 * 2**20
CHECK_SECONDS = 10.0


def rotate(log: Path) -> None:
    """If the log of a part that does not run is too long, rename it to `<name>.1`, so that a new one begins."""
    if _is_too_long(log):
        log.replace(_older(log))


def rotate_in_use(log: Path) -> None:
    """If the log of a part that runs is too long, copy it to `<name>.1` and empty it.

    The part keeps its open file, which it only appends to. A line that it writes between the two steps is lost.
    """
    if _is_too_long(log):
        secret_files.write(_older(log), log.read_bytes())
        log.open("w").close()


def rotate_forever(folder: Path) -> Never:
    """Keep the logs in the folder short until the process ends, or a signal's handler raises an exception."""
    while True:
        time.sleep(CHECK_SECONDS)
        for log in folder.glob("*.log"):
            with suppress(OSError):  # such as a full disk: tried again after CHECK_SECONDS
                rotate_in_use(log)


def _is_too_long(log: Path) -> bool:
    return log.exists() and log.stat().st_size > LOG_BYTES


def _older(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")
