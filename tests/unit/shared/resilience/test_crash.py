"""A crash point kills the process if CRASH_POINT names it, and otherwise does nothing."""

import signal
import subprocess
import sys

import pytest

PASS_TWO_POINTS = (
    "from shared.resilience import crash\nfor n in range(3):\n crash.point('a'); print(n, flush=True); crash.point('b')"
)


@pytest.mark.parametrize(
    ("spec", "printed", "code"),
    [("", "0 1 2", 0), ("a", "", -signal.SIGKILL), ("b", "0", -signal.SIGKILL), ("a:3", "0 1", -signal.SIGKILL)],
)
def test_process_crashes_only_at_the_named_point(spec: str, printed: str, code: int) -> None:
    child = subprocess.run(
        [sys.executable, "-c", PASS_TWO_POINTS], env={"CRASH_POINT": spec}, capture_output=True, text=True, check=False
    )

    assert (child.stdout.split(), child.returncode) == (printed.split(), code)
