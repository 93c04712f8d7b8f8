"""Work that must succeed once before a service is ready, such as making indexes, repeated until it does."""

import random
import threading
from collections.abc import Callable

from shared.telemetry import log

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
logger = log.get(__name__)


class StartupTask:
    """Runs `action` in a thread of its own until it returns without an error; jittered pauses of 0.25 → 10 s."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._done = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="startup-task", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """True once the action has succeeded in this process."""
        return self._done.is_set()

    def close(self) -> None:
        """End the thread, after the try in hand."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            try:
                self._action()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may succeed
                logger.warning("startup_task_failed", error=f"{type(error).__name__}: {error}")
            else:
                self._done.set()
                return
            self._stop.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
