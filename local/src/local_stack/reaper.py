"""Kills every part's process group after the supervisor has died for any reason.

The parent-death signal reaches only the supervisor's own children; the reaper also kills their children, such as
nginx's workers. It reads `+PGID` and `-PGID` lines from its standard input, which is closed when the supervisor dies.
It shares the supervisor's lock, so that the next start waits until every process is gone. Finally it removes
stack.json, which is out of date by then.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

GONE_SECONDS = 10.0


class Reaper:
    """The reaper process, as the supervisor uses it. Not thread-safe."""

    def __init__(self, lock: int, file: Path) -> None:
        """`lock` is the file descriptor of the lock to share. The reaper removes `file` at the end."""
        command = [sys.executable, "-I", "-S", __file__, str(file)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=[lock], start_new_session=True, bufsize=0
        )

    def watch(self, group: int) -> None:
        """Kill `group` when the supervisor dies, unless `forget` is called first."""
        self._send(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Stop watching `group`: it no longer exists, and the system may reuse its number."""
        self._send(f"-{group}\n")

    def close(self) -> None:
        """Stop the reaper. It kills the groups that it still watches."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=2 * GONE_SECONDS)

    def _send(self, line: str) -> None:
        with suppress(BrokenPipeError):  # without the reaper the parts still run
            if self._process.stdin:
                self._process.stdin.write(line.encode())


def kill_group(group: int, seconds: float) -> None:
    """Kill the process group and wait until none of its processes runs, at most `seconds`."""
    deadline = time.monotonic() + seconds
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
        while _is_running(group) and time.monotonic() < deadline:
            time.sleep(0.01)


def _is_running(group: int) -> bool:
    """Return whether a process of the group still runs. Zombies do not count: only their new parent can reap them."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, its_group = (
                stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:3]
            )
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def main() -> None:
    """Read until the input is closed, then kill the remaining groups and remove stack.json."""
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
        kill_group(group, GONE_SECONDS)
    Path(sys.argv[1]).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
