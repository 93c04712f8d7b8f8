"""Becomes the program that it is given, set to die with the supervisor: `python launch.py SUPERVISOR_PID PROGRAM ARG…`.

A program of its own, because the parent-death signal must be asked for between fork and exec, where a process with
threads cannot safely run Python. The signals that ask a part to end work again, too: a shell starts what it puts in the
background with SIGINT and SIGQUIT ignored, and programs inherit that.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):  # it died before we asked
        sys.exit("the supervisor is gone")
    for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the purpose
