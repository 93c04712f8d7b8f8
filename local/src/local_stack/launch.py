"""Replaces itself with a program that dies with the supervisor: `python launch.py SUPERVISOR_PID PROGRAM ARG…`.

It is a separate program because the parent-death signal must be set between fork and exec, where a process with threads
cannot safely run Python. It also restores the signals that stop a part: a shell starts background programs with SIGINT
and SIGQUIT ignored, and their children inherit that.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):  # the supervisor died before prctl was called
        sys.exit("the supervisor is gone")
    for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the purpose
