"""The requirements on the machine. If one is not met, the error says so in a sentence, with the fix if it is known."""

import os
import platform
import pwd
import resource
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from local_stack import secret_files
from local_stack.errors import StackError
from local_stack.mongod import BINARY

FIXES = {
    "libcurl.so.4": "MongoDB needs libcurl 4: install it (on Debian and Ubuntu: apt install libcurl4)",
    "libcrypto.so.3": "MongoDB needs OpenSSL 3: install it (on Debian and Ubuntu: apt install libssl3)",
    "libssl.so.3": "MongoDB needs OpenSSL 3: install it (on Debian and Ubuntu: apt install libssl3)",
    "GLIBC": "MongoDB needs glibc 2.34 or newer: use a newer system (Debian 12, Ubuntu 22.04)",
}
OPEN_FILES = 1024  # needed per process; Kafka and MongoDB hold a few hundred


def machine() -> None:
    """Raise StackError for the first requirement that this machine does not meet.

    Also raise the limit of open files, and correct TMPDIR.
    """
    if platform.system() != "Linux" or platform.machine() not in {"x86_64", "AMD64"}:
        raise StackError(
            f"the local stack runs on Linux on x86-64, not on {platform.system()} on {platform.machine()}: "
            "use such a machine, or kind (docs/kubernetes.md)"
        )
    if not hasattr(os, "pidfd_open"):
        raise StackError("this Python lacks pidfd support: use one that was built on Linux 5.3 or newer")
    raise_file_limit()
    find_temporary_folder()
    result = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=30, check=False)
    if result.returncode:
        trouble = result.stderr.strip()
        raise StackError(
            next((fix for sign, fix in FIXES.items() if sign in trouble), f"MongoDB cannot run: {trouble}")
        )


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one, for this process and its children.

    StackError if the hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        raise StackError(
            f"a process may open only {hard} files here, and the servers need {OPEN_FILES}: raise the hard limit "
            "(ulimit -Hn, or nofile in /etc/security/limits.conf)"
        )


def find_temporary_folder() -> None:
    """If TMPDIR names a folder that cannot be written, set it to one that can be. StackError if there is none."""
    try:
        found = tempfile.gettempdir()
    except FileNotFoundError:
        raise StackError(
            "there is no folder for temporary files: set TMPDIR to a folder that you can write, with an absolute path"
        ) from None
    if os.environ.get("TMPDIR", found) != found:
        os.environ["TMPDIR"] = found


def create_root(root: Path) -> None:
    """Create the stack's folder. StackError if it cannot be written, or belongs to another user."""
    try:
        secret_files.folder(root)
        os.scandir(root).close()
    except OSError as error:
        owner = ""
        with suppress(OSError):
            if root.stat().st_uid != os.geteuid():
                owner = f": it belongs to {_user_name(root.stat().st_uid)}, who can remove it"
        raise StackError(
            f"{root} cannot be written ({error.strerror}){owner}; use a folder of your own: "
            "make run ARGS='--root FOLDER', or another clone"
        ) from error
    if root.stat().st_uid != os.geteuid():  # root may write anywhere, and would leave files that the owner cannot read
        raise StackError(f"{root} belongs to {_user_name(root.stat().st_uid)}: run this command as that user")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
