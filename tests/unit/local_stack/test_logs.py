"""Logs that become too long while their part runs."""

import stat
from pathlib import Path

import pytest

from local_stack import logs


@pytest.fixture(autouse=True)
def short_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOG_BYTES", 10)


def test_long_log_in_use_is_copied_and_emptied(tmp_path: Path) -> None:
    log, older = tmp_path / "part.log", tmp_path / "part.log.1"
    with log.open("ab", buffering=0) as part:
        part.write(b"the first line\n")
        logs.rotate_in_use(log)
        part.write(b"next\n")

    assert (log.read_bytes(), older.read_bytes()) == (b"next\n", b"the first line\n")
    assert stat.S_IMODE(older.stat().st_mode) == 0o600


def test_short_or_missing_log_in_use_is_unchanged(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_bytes(b"ten bytes\n")
    logs.rotate_in_use(log)
    logs.rotate_in_use(tmp_path / "absent.log")

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"ten bytes\n"]


def test_one_log_that_cannot_be_rotated_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 11)
    (tmp_path / "b.log").write_bytes(b"x" * 11)
    (tmp_path / "a.log.1").mkdir()  # no file can replace a folder
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("local_stack.logs.time.sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        logs.rotate_forever(tmp_path)

    assert {file.name: file.stat().st_size for file in tmp_path.iterdir() if file.is_file()} == {
        "a.log": 11,
        "b.log": 0,
        "b.log.1": 11,
    }
    assert pauses == [logs.CHECK_SECONDS] * 2
