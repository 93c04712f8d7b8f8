"""The folder in which a benchmark runs its systems, and how it ends."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from pymongo.errors import PyMongoError

from bench.measure import LoadFailedError
from local_stack.stack import StackError

FAILURES = (LoadFailedError, StackError, PyMongoError, httpx.HTTPError, psutil.Error)


@contextmanager
def workplace(name: str) -> Iterator[Path]:
    """Yield a temporary folder, and remove it at the end. For the main thread.

    A failed measurement ends the process with one sentence. SIGTERM does so too, as an exception, which stops all
    processes of the block; the signal's default does not.
    """
    signal.signal(signal.SIGTERM, _exit)
    root = Path(tempfile.mkdtemp(prefix=f"retail-{name}-"))
    try:
        yield root
    except FAILURES as error:
        sys.exit(f"bench: {error}")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _exit(signum: int, _frame: object) -> None:
    """Exit as a program that the signal has ended."""
    sys.exit(128 + signum)
