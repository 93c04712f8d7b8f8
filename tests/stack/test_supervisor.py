"""The supervisor's behaviour, tested with small processes as parts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local_stack import logs
from local_stack.errors import StackError
from local_stack.process import Part
from local_stack.supervisor import Supervisor
from support import wait
from support.stack_run import runs

SLEEP = "exec sleep 300"
DEAF = "trap '' TERM; while :; do sleep 0.1; done"
WITH_CHILD = "sleep 301 & wait"
Add = Callable[..., Part]


class Reports:
    """Records the supervisor's messages and counts the calls of `changed`, which raises `trouble` if that is set."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.changes = 0
        self.trouble: Exception | None = None

    def changed(self) -> None:
        self.changes += 1
        if self.trouble:
            raise self.trouble


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def supervisor(tmp_path: Path, reports: Reports) -> Iterator[Supervisor]:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    supervisor = Supervisor(
        lock=lock, file=tmp_path / "stack.json", on_change=reports.changed, say=reports.sentences.append
    )
    yield supervisor
    supervisor.close()
    os.close(lock)


@pytest.fixture
def add(supervisor: Supervisor, tmp_path: Path) -> Add:
    def add(script: str, name: str = "part", **more: object) -> Part:
        part = Part(
            name=name,
            command=["/bin/sh", "-c", script],
            environment={"PATH": os.environ["PATH"]},
            log=tmp_path / f"{name}.log",
            ready=lambda: True,
            **more,  # type: ignore[arg-type]
        )
        supervisor.add([part])
        return part

    return add


def another_pid(supervisor: Supervisor, than: int, seconds: float = 10) -> int:
    def changed() -> int | None:
        pid = supervisor.pids().get("part")
        return pid if pid != than else None

    return wait.until(changed, "a new process", seconds=seconds, every=0.02)


def test_killed_part_is_restarted_and_reported(supervisor: Supervisor, add: Add, reports: Reports) -> None:
    add(SLEEP)
    supervisor.start("part")
    first = supervisor.pids()["part"]
    changes = reports.changes

    os.kill(first, signal.SIGKILL)
    second = another_pid(supervisor, first)

    assert runs(second)
    assert reports.sentences == [f"part (pid {first}) was killed by SIGKILL: starting it again in 0.5 s"]
    wait.until(lambda: reports.changes >= changes + 2, "two changes: its death and its restart")


def test_restarts_of_a_crashing_part_back_off(supervisor: Supervisor, add: Add, reports: Reports) -> None:
    add("exit 3")
    supervisor.start("part")
    wait.until(lambda: len(reports.sentences) >= 3, "three reported crashes")

    delays = [sentence.rpartition(" in ")[2] for sentence in reports.sentences[:3]]
    assert delays == ["0.5 s", "1 s", "2 s"]
    assert "exited with code 3" in reports.sentences[0]
    with pytest.raises(StackError, match="part exits immediately"):
        supervisor.await_ready("part", seconds=30)


def test_part_that_cannot_start_is_retried_and_others_keep_running(
    supervisor: Supervisor, add: Add, reports: Reports
) -> None:
    add(SLEEP)
    bad = add(SLEEP, "bad")
    bad.log.mkdir()  # so that the log cannot be opened for writing
    supervisor.start("part", "bad")
    pids = supervisor.pids()
    bad.log.rmdir()
    wait.until(lambda: "bad" in supervisor.pids(), "its start")

    assert [*pids] == ["part"]
    assert supervisor.pids()["part"] == pids["part"]
    assert reports.sentences[0].startswith("bad could not be started ([Errno 21] Is a directory: ")
    assert reports.sentences[0].endswith("): starting it again in 0.5 s")


def test_parts_keep_running_when_stack_json_cannot_be_written(
    supervisor: Supervisor, add: Add, reports: Reports
) -> None:
    reports.trouble = OSError("no space left")
    add(SLEEP)
    supervisor.start("part")
    wait.until(lambda: reports.sentences, "a report")

    assert reports.sentences == ["stack.json could not be written: no space left"]
    assert runs(supervisor.pids()["part"])


def test_children_of_a_dead_part_are_killed_before_its_restart(supervisor: Supervisor, add: Add) -> None:
    add(WITH_CHILD)
    supervisor.start("part")
    first = supervisor.pids()["part"]
    child = wait.until(lambda: psutil.Process(first).children(), "the part's child")[0].pid

    os.kill(first, signal.SIGKILL)
    another_pid(supervisor, first)

    assert not runs(child)


def test_stop_sends_the_stop_signal_and_prevents_a_restart(supervisor: Supervisor, add: Add) -> None:
    script = "trap 'echo asked; exit 0' QUIT; echo listening; while :; do sleep 0.05; done"
    part = add(script, stop_signal=signal.SIGQUIT)
    supervisor.start("part")
    wait.until(lambda: part.log.read_text() == "listening\n", "the shell setting its trap")

    supervisor.stop("part")

    assert supervisor.pids() == {}
    assert part.log.read_text() == "listening\nasked\n"
    time.sleep(0.7)  # longer than the first back-off
    assert supervisor.pids() == {}


def test_part_that_ignores_its_stop_signal_is_killed(supervisor: Supervisor, add: Add) -> None:
    add(DEAF)
    supervisor.start("part")
    pid = supervisor.pids()["part"]
    began = time.monotonic()

    supervisor.stop("part", seconds=0.5)

    assert not runs(pid)
    assert time.monotonic() - began < 5


def test_killed_part_without_restarts_stays_down_until_it_is_started(
    supervisor: Supervisor, add: Add, reports: Reports
) -> None:
    add(SLEEP)
    supervisor.start("part")
    supervisor.restart_policy("part", enabled=False)

    supervisor.kill("part")

    wait.until(lambda: reports.sentences, "the report of its death")
    assert reports.sentences[0].endswith("not restarted")
    assert supervisor.pids() == {}
    supervisor.start("part")
    assert "part" in supervisor.pids()


def test_error_for_an_unknown_part_lists_the_known_parts(supervisor: Supervisor, add: Add) -> None:
    add(SLEEP)

    with pytest.raises(StackError, match="unknown part 'parrot': the parts are part"):
        supervisor.stop("parrot")


def test_long_log_is_rotated_when_the_part_starts(supervisor: Supervisor, add: Add) -> None:
    part = add("echo fresh; exec sleep 300")
    part.log.write_bytes(b"x" * (logs.LOG_BYTES + 1))

    supervisor.start("part")

    wait.until(lambda: part.log.exists() and part.log.read_text() == "fresh\n", "the new log")
    assert part.log.with_name("part.log.1").stat().st_size == logs.LOG_BYTES + 1
    assert part.log.stat().st_mode & 0o777 == 0o600


def test_parts_do_not_inherit_the_environment(
    supervisor: Supervisor, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://elsewhere")
    part = add("env; exec sleep 300")
    supervisor.start("part")

    text = wait.until(part.log.read_text, "the part's environment")
    assert "elsewhere" not in text


VICTIM = """
import os, pathlib, sys
from local_stack.process import Part
from local_stack.supervisor import Supervisor
root = pathlib.Path(sys.argv[1])
lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR)
supervisor = Supervisor(lock=lock, file=root / "stack.json", on_change=lambda: None, say=print)
script = "sleep 302 & (trap '' TERM INT HUP; sleep 303) & wait"
supervisor.add([Part(name="part", command=["/bin/sh", "-c", script], environment={"PATH": os.environ["PATH"]},
                     log=root / "part.log", ready=lambda: True)])
supervisor.start("part")
print(supervisor.pids()["part"], flush=True)
sys.stdin.read()
"""


def test_no_process_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert victim.stdin
    assert victim.stdout
    with victim.stdin, victim.stdout:
        part = psutil.Process(int(victim.stdout.readline()))
        wait.until(lambda: len(part.children(recursive=True)) >= 2, "the part's children")
        family = [*psutil.Process(victim.pid).children(recursive=True)]

        victim.kill()
        victim.wait(10)

        wait.until(lambda: not any(runs(process.pid) for process in family), "all processes to stop", seconds=5)
