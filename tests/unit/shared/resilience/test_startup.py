"""A startup task, which is retried until it succeeds once."""

import threading

from shared.resilience.backoff import Backoff
from shared.resilience.startup import StartupTask
from support.wait import until

SHORT = Backoff(first=0.001, longest=0.01)


def test_startup_task_stops_after_first_success() -> None:
    outcomes = [OSError("unavailable"), ValueError("still unavailable"), None]
    attempts: list[Exception | None] = []

    def action() -> None:
        attempts.append(outcomes[len(attempts)])
        if error := attempts[-1]:
            raise error

    task = StartupTask(action, pending="not yet", backoff=SHORT)
    until(lambda: task.error is None, "the task to succeed", every=0.001)
    task.close()

    assert attempts == outcomes


def test_startup_task_retries_until_closed() -> None:
    attempts: list[int] = []

    def action() -> None:
        attempts.append(1)
        raise OSError("unavailable")

    task = StartupTask(action, pending="not yet", backoff=SHORT)
    until(lambda: len(attempts) >= 3, "three attempts", every=0.001)
    task.close()

    assert task.error == "unavailable"
    assert "startup-task" not in {thread.name for thread in threading.enumerate()}
