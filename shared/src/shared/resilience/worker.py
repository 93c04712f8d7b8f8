"""A background thread with an owner that starts it and stops it."""

import threading
from collections.abc import Callable


class Worker:
    """One daemon thread that runs `target` once. `target` must return soon after `stopping` is set.

    `start`, `stop` and `close` belong to the owner. Create the worker in the process that starts it, after the fork.
    """

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        """`name` is the thread's name."""
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=target, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to stop, without waiting for it."""
        self.stopping.set()

    def close(self, timeout: float = 5.0) -> bool:
        """Ask the thread to stop and wait up to `timeout` seconds; return whether it has stopped.

        While it still runs, do not close what it uses. A thread that was never started counts as stopped.
        """
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()
