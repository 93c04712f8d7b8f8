"""Kills every part's process group when the supervisor is gone, however it went.

The parent-death signal reaches the supervisor's own children; the guardian also finds the children's children, such as
nginx's workers. It reads `+PGID` and `-PGID` lines from its standard input, whose end is the supervisor's end. It
shares the supervisor's lock, so that the next start waits until all is gone; its last act is to remove stack.json,
which would not be true any more.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

GONE_SECONDS = 10.0


class Guardian:
    """The supervisor's end of it. Safe to use from one thread."""

    def __init__(self, lock: int, file: Path) -> None:
        """`lock` is the file descriptor of the lock to share, `file` is removed at the end."""
        command = [sys.executable, "-I", "-S", __file__, str(file)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=[lock], start_new_session=True, bufsize=0
        )

    def watch(self, group: int) -> None:
        """From now on, `group` must not outlive the supervisor."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """`group` is gone: its number may be given to others."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guardian; it kills what is still there."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=2 * GONE_SECONDS)

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):  # a killed guardian takes nothing with it
            if self._process.stdin:
                self._process.stdin.write(line.encode())


def end_group(group: int, seconds: float) -> None:
    """Kill the process group and wait until nothing of it runs, at most `seconds`."""
    deadline = time.monotonic() + seconds
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
        while _runs(group) and time.monotonic() < deadline:
            time.sleep(0.01)


def _runs(group: int) -> bool:
    """Tell whether the group has a process that is more than a zombie, which only its new parent can bury."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, its_group = (
                stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:3]
            )
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def main() -> None:
    """Read until the end of input, then kill what is left."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for group in groups:
        end_group(group, GONE_SECONDS)
    Path(sys.argv[1]).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
