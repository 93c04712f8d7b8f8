"""Named points at which a test kills this process, as a power cut would: nothing is flushed, closed or logged.

`CRASH_POINT=name` kills it when that point is reached for the first time, `CRASH_POINT=name:n` for the n-th time. Only
tests set the variable; without the variable, `point` does nothing.
"""

import itertools
import os
import signal


def _armed(spec: str) -> tuple[str, int]:
    name, _, passage = spec.partition(":")
    return name, int(passage or 1)


if spec := os.environ.get("CRASH_POINT", ""):
    _name, _passage = _armed(spec)
    _passages = itertools.count(1)  # counting is one atomic step, so thread-safe

    def point(name: str) -> None:
        """Kill the process if CRASH_POINT names this point and this is the n-th time that it is reached."""
        if name == _name and next(_passages) == _passage:
            os.kill(os.getpid(), signal.SIGKILL)

else:

    def point(name: str) -> None:
        """Do nothing."""
