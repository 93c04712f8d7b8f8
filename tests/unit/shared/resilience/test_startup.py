"""Work repeated until it succeeds."""

import threading

import pytest

from shared.resilience import startup
from shared.resilience.startup import StartupTask
from support.wait import until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "FIRST_PAUSE_SECONDS", 0.001)


def test_it_is_done_after_the_first_success_and_not_repeated() -> None:
    outcomes = [OSError("away"), ValueError("still away"), None]
    tries: list[Exception | None] = []

    def action() -> None:
        tries.append(outcomes[len(tries)])
        if error := tries[-1]:
            raise error

    work = StartupTask(action)
    until(lambda: work.done, "the success", every=0.001)
    work.close()

    assert tries == outcomes


def test_it_goes_on_while_the_action_fails_and_ends_when_closed() -> None:
    tries: list[int] = []

    def action() -> None:
        tries.append(1)
        raise OSError("away")

    work = StartupTask(action)
    until(lambda: len(tries) >= 3, "three tries", every=0.001)
    work.close()

    assert not work.done
    assert "startup-task" not in {thread.name for thread in threading.enumerate()}
