"""The lock that allows one stack per folder."""

import fcntl
import os
import time
from pathlib import Path

import psutil

from local_stack.errors import StackError

WAIT_SECONDS = 15.0


def acquire(root: Path) -> int:
    """Lock the stack's folder and return the lock's file descriptor. StackError if a stack runs there.

    The reaper of a killed stack holds the lock until the last process is gone; this call waits up to 15 s for it.
    """
    descriptor = os.open(root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode().strip()
            if holder and psutil.pid_exists(int(holder)):
                os.close(descriptor)
                raise StackError(
                    f"a stack is already running in {root} (pid {holder}): stop it with Ctrl-C there, "
                    f"or with 'kill {holder}'"
                ) from None
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise StackError(
                    f"{root} is locked by an unknown process: if a stack is running there, stop it with Ctrl-C; "
                    "if one was just killed, try again in a minute"
                ) from None
            time.sleep(0.1)
        else:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            return descriptor
