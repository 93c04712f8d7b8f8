"""What the machine must have, each lack in one sentence that names the fix."""

import os
import platform
import subprocess

from local_stack.errors import StackError
from local_stack.mongod import BINARY

FIXES = {
    "libcurl.so.4": "MongoDB needs libcurl 4: install it (on Debian and Ubuntu: apt install libcurl4)",
    "libcrypto.so.3": "MongoDB needs OpenSSL 3: install it (on Debian and Ubuntu: apt install libssl3)",
    "libssl.so.3": "MongoDB needs OpenSSL 3: install it (on Debian and Ubuntu: apt install libssl3)",
    "GLIBC": "MongoDB needs glibc 2.34 or newer: use a newer system (Debian 12, Ubuntu 22.04)",
}


def machine() -> None:
    """Raise StackError for the first thing that this machine lacks."""
    if platform.system() != "Linux" or platform.machine() not in {"x86_64", "AMD64"}:
        raise StackError(
            f"the local stack runs on Linux on x86-64, not on {platform.system()} on {platform.machine()}: "
            "use such a machine, or kind (docs/kubernetes.md)"
        )
    if not hasattr(os, "pidfd_open"):
        raise StackError("this Python knows no pidfd: use one that was built on Linux 5.3 or newer")
    result = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=30, check=False)
    if result.returncode:
        trouble = result.stderr.strip()
        raise StackError(
            next((fix for sign, fix in FIXES.items() if sign in trouble), f"MongoDB cannot run: {trouble}")
        )
