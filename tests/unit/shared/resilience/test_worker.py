"""A background thread that its owner starts and closes."""

import threading

from shared.resilience.worker import Worker


def test_close_waits_until_the_worker_has_stopped() -> None:
    seen: list[str] = []

    def run() -> None:
        worker.stopping.wait(30)
        seen.append(threading.current_thread().name)

    worker = Worker("a-name", run)
    worker.start()

    assert worker.close()
    assert seen == ["a-name"]


def test_close_reports_a_thread_that_still_runs() -> None:
    release = threading.Event()

    def run() -> None:
        release.wait(30)

    worker = Worker("busy", run)
    worker.start()
    is_stopped_while_busy = worker.close(timeout=0.01)
    release.set()

    assert not is_stopped_while_busy
    assert worker.close()


def test_worker_that_never_started_can_be_closed() -> None:
    assert Worker("idle", lambda: None).close()
