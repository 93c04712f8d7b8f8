"""The lock of a stack's folder, and the error of a second start, with and without a known holder."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import lock
from local_stack.errors import StackError

DEAD = "999999999"  # a process id larger than Linux can assign


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A folder that is locked, as if by another stack."""
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
def test_unknown_holder_is_reported_without_a_kill_command(
    held: Path, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.2)
    (held / "lock").write_text(holder)

    with pytest.raises(StackError, match="locked by an unknown process") as error:
        lock.acquire(held)

    assert "kill " not in str(error.value)
