"""Log lines are written in the background, whole and in order, and no line fails or delays what logs it."""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.telemetry.line_writer import LineWriter
from support import wait
from support.forked_child import in_forked_child

PROGRAM = """
from shared.telemetry import log

log.configure("order-api", "info")
logger = log.get("test")
for number in range(100):
    logger.info("request", number=number)
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_failed_write_of_a_line_raises_no_error(pipe: tuple[int, int]) -> None:
    with Path("/dev/full").open("wb") as full_disk:
        full = LineWriter(full_disk.fileno())
        full.info(b"{}")
        assert full.close()
    reading, writing = os.pipe()
    os.close(reading)
    broken = LineWriter(writing)
    broken.error(b"{}")
    broken.close()
    os.close(writing)

    again = LineWriter(pipe[1])
    again.info(b"{}")
    again.close()
    assert os.read(pipe[0], 100) == b"{}\n"


def test_line_is_written_soon_without_a_further_one(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1])
    for line in (b"first", b"second"):
        writer.info(line)
        assert select.select([pipe[0]], [], [], 60)[0], "the line is not written"
        assert os.read(pipe[0], 100) == line + b"\n"
    writer.close()


def test_lines_of_many_threads_are_written_whole_and_in_their_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as output:
        writer = LineWriter(output.fileno(), limit=8 * 500)

        def write(thread: int) -> None:
            for number in range(500):
                writer.info(json.dumps({"thread": thread, "number": number, "text": "x" * (number % 300)}).encode())

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
        writer.close()

    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    for thread in range(8):
        assert [line["number"] for line in lines if line["thread"] == thread] == [*range(500)]


def test_line_longer_than_a_pipe_is_written_whole() -> None:
    line = b"x" * 2**20
    reading, writing = os.pipe()
    with ThreadPoolExecutor() as pool, os.fdopen(reading, "rb") as reader:
        read = pool.submit(reader.read)
        writer = LineWriter(writing)
        writer.error(line)
        writer.close()
        os.close(writing)

        assert read.result(timeout=60) == line + b"\n"


def test_slow_reader_delays_no_line_and_learns_how_many_are_missing(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    line = b"x" * 1023
    read = b""
    with capture_logs() as reports:
        writer = LineWriter(writing, limit=100)
        for _ in range(500):  # a pipe holds 64 KiB
            writer.info(line)
        wait.until(lambda: reports, "a report while lines still wait")
        while len(read.splitlines()) + sum(report["count"] for report in reports) < 500:
            wait.until(lambda: select.select([reading], [], [], 0)[0] or len(reports) > 1, "a line or the last report")
            read += os.read(reading, 4096) if select.select([reading], [], [], 0)[0] else b""
        writer.close()

    assert {report["event"] for report in reports} == {"log_lines_dropped"}
    assert len(read.splitlines()) + sum(report["count"] for report in reports) == 500
    assert set(read.splitlines()) == {line}


def test_process_without_a_further_thread_writes_lines_at_once(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = LineWriter(pipe[1])
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        writer.info(b"first")
    writer.info(b"second")

    assert os.read(pipe[0], 100) == b"first\nsecond\n"


def test_lines_that_wait_are_written_together_up_to_what_a_pipe_keeps_whole(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def write(_output: int, data: bytes) -> int:
        sizes.append(len(data))
        return len(data)

    writer = LineWriter(pipe[1])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        for _ in range(100):
            writer.info(b"x" * 299)
        writer.close()

    assert sum(sizes) == 100 * 300
    assert max(sizes) <= select.PIPE_BUF
    assert len(sizes) < 50


def test_line_that_is_logged_just_after_others_were_written_is_written_too(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_queued = LineWriter._write_queued
    others = [b"second"]

    def write_and_log_another(writer: LineWriter) -> None:
        write_queued(writer)
        if others:
            writer.info(others.pop())

    monkeypatch.setattr(LineWriter, "_write_queued", write_and_log_another)
    writer = LineWriter(pipe[1])
    writer.info(b"first")
    read = b""
    while b"second" not in read:
        assert select.select([pipe[0]], [], [], 60)[0], "the second line is not written"
        read += os.read(pipe[0], 100)
    writer.close()

    assert read == b"first\nsecond\n"


def test_stop_does_not_wait_for_a_reader_that_has_stopped(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    writer = LineWriter(writing)
    for _ in range(200):
        writer.info(b"x" * 1023)

    assert not writer.close(timeout=0.1)
    while not writer.close(timeout=0.1):
        while select.select([reading], [], [], 0)[0]:
            os.read(reading, 2**16)


def test_normal_exit_writes_the_queued_lines() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, timeout=60, check=True)

    assert [json.loads(line)["number"] for line in ended.stdout.splitlines()] == [*range(100)]


def test_forked_child_writes_its_lines_at_once(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1])
    writer.info(b"parent")
    assert os.read(pipe[0], 100) == b"parent\n"

    def write_in_child() -> int:
        writer.info(b"child")
        return 0

    assert in_forked_child(write_in_child) == 0
    assert os.read(pipe[0], 100) == b"child\n"
    writer.close()
