"""Work that must succeed once before a service is ready, such as creating indexes; it is retried until it does."""

from collections.abc import Callable

from shared.resilience.backoff import Backoff
from shared.resilience.worker import Worker
from shared.telemetry import log

BACKOFF = Backoff(first=0.25, longest=10.0)
logger = log.get(__name__)


class StartupTask:
    """Runs `action` in its own thread until it returns without an error, with a back-off between the attempts.

    `pending` is the sentence in `error` until the first attempt has finished; it says what is not done yet.
    """

    def __init__(self, action: Callable[[], None], *, pending: str, backoff: Backoff = BACKOFF) -> None:
        self.error: str | None = pending  # why the action has not succeeded yet; None once it has
        self._action = action
        self._backoff = backoff
        self._worker = Worker("startup-task", self._run)
        self._worker.start()

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
                self.error = str(error) or type(error).__name__
                logger.warning("startup_task_failed", error=f"{type(error).__name__}: {error}")
                self._worker.stopping.wait(self._backoff.pause(failures))
            else:
                self.error = None
                return
