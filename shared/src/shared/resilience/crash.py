"""Named points at which a test has this process die, as in a power cut: nothing is flushed, closed or told.

`CRASH_POINT=name` dies at the first passage of that point, `CRASH_POINT=name:n` at the n-th. Only tests set it; without
it `point` does nothing.
"""

import itertools
import os
import signal


def _armed(spec: str) -> tuple[str, int]:
    name, _, passage = spec.partition(":")
    return name, int(passage or 1)


if spec := os.environ.get("CRASH_POINT", ""):
    _name, _passage = _armed(spec)
    _passages = itertools.count(1)  # one step, so safe for threads

    def point(name: str) -> None:
        """Die here if this is the point and the passage that the environment names."""
        if name == _name and next(_passages) == _passage:
            os.kill(os.getpid(), signal.SIGKILL)

else:

    def point(name: str) -> None:
        """Do nothing."""
