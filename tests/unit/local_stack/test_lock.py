"""The lock of a stack's folder: the error of a second start, with a known and an unknown holder."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import lock
from local_stack.errors import StackError

DEAD = "999999999"  # larger than any pid of Linux


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """Return a folder whose lock another open file holds."""
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield tmp_path


def test_running_holder_is_named_with_the_kill_command(held: Path) -> None:
    (held / "lock").write_text(f"{os.getpid()}\n")

    with pytest.raises(
        StackError, match=rf"pid {os.getpid()}\): stop it with Ctrl-C there, or with 'kill {os.getpid()}'"
    ):
        lock.acquire(held)


@pytest.mark.parametrize("holder", ["", DEAD])
def test_unknown_holder_gets_no_advice_to_kill(held: Path, holder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.2)
    (held / "lock").write_text(holder)

    with pytest.raises(StackError, match="locked by an unknown process") as error:
        lock.acquire(held)

    assert "kill " not in str(error.value)
