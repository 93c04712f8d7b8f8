"""Runs a function in a forked child of this process."""

import os
import signal
import warnings
from collections.abc import Callable

from support.wait import until


def in_forked_child(work: Callable[[], int], *, seconds: float = 10.0) -> int:
    """Return the exit code that `work` returns in a child; 99 if it raises. Kill the child and fail after `seconds`."""
    with warnings.catch_warnings():
        # Python 3.12 warns about a fork of a process with threads, but such a fork is what is tested
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os._exit(work())
        finally:
            os._exit(99)
    try:
        return os.waitstatus_to_exitcode(until(lambda: _exit_status(child), "the child's exit", seconds=seconds)[1])
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


def _exit_status(child: int) -> tuple[int, int] | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return (pid, status) if pid else None
