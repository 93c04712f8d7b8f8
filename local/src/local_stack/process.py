"""A part of the stack, which the supervisor keeps running, and one run of its process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from local_stack import launch, logs
from local_stack.reaper import kill_group

KILL_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A program to keep running. Its environment is `environment` and nothing more."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    ready: Callable[[], bool]  # called until it returns true; must not raise
    stop_signal: signal.Signals = signal.SIGTERM


class Process:
    """One run of a part: a process in its own session, which dies with the thread that started it."""

    def __init__(self, part: Part) -> None:
        logs.rotate(part.log)
        command = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *part.command]
        with os.fdopen(os.open(part.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            self._popen = subprocess.Popen(
                command,
                env=part.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        self.pid = self._popen.pid
        self.descriptor = os.pidfd_open(self.pid)

    def send(self, signum: signal.Signals) -> None:
        """Send a signal to the process, if it still exists."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, signum)

    def send_all(self, signum: signal.Signals) -> None:
        """Send a signal to the process and to every process that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signum)

    def reap(self) -> int:
        """Kill the rest of the dead process's group; return the process's exit code (-N if signal N killed it).

        The group is killed before the process is reaped: until then, the system cannot reuse the group's number.
        """
        os.waitid(os.P_PIDFD, self.descriptor, os.WEXITED | os.WNOWAIT)
        self.send_all(signal.SIGKILL)
        os.close(self.descriptor)
        code = self._popen.wait()
        kill_group(self.pid, KILL_SECONDS)
        return code
