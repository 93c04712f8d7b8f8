"""Work that must succeed once before a service is ready, such as creating indexes; it is retried until it does."""

import threading
from collections.abc import Callable

from shared.resilience.backoff import Backoff
from shared.resilience.worker import Worker
from shared.telemetry import log

BACKOFF = Backoff(first=0.25, longest=10.0)
logger = log.get(__name__)


class StartupTask:
    """Runs `action` in its own thread until it returns without an error, with a back-off between the attempts."""

    def __init__(self, action: Callable[[], None], *, backoff: Backoff = BACKOFF) -> None:
        self._action = action
        self._backoff = backoff
        self._done = threading.Event()
        self._worker = Worker("startup-task", self._run)
        self._worker.start()

    @property
    def done(self) -> bool:
        """True once the action has succeeded in this process."""
        return self._done.is_set()

    def close(self) -> None:
        """Stop the thread after the current attempt; wait for it up to 5 s."""
        self._worker.close()

    def _run(self) -> None:
        failures = 0
        while not self._worker.stopping.is_set():
            try:
                self._action()
            except Exception as error:  # noqa: BLE001 - any error may be gone at the next attempt
                failures += 1
                logger.warning("startup_task_failed", error=f"{type(error).__name__}: {error}")
                self._worker.stopping.wait(self._backoff.pause(failures))
            else:
                self._done.set()
                return
