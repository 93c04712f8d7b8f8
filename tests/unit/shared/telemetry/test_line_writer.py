"""Log lines are written in the background, whole and in order, and no line fails or delays what logs it."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.telemetry.line_writer import LineWriter
from support import wait
from support.forked_child import in_forked_child

PROGRAM = """
import sys
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
        writer = LineWriter(output.fileno())

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
    with capture_logs() as reports:
        writer = LineWriter(writing, limit=100)
        for _ in range(500):  # a pipe holds 64 KiB
            writer.info(line)
        read = b""
        while not reports or select.select([reading], [], [], 0)[0]:
            wait.until(lambda: reports or select.select([reading], [], [], 0)[0], "a line or the report")
            if select.select([reading], [], [], 0)[0]:
                read += os.read(reading, 2**16)
        writer.close()

    assert {report["event"] for report in reports} == {"log_lines_dropped"}
    assert len(read.splitlines()) + sum(report["count"] for report in reports) == 500
    assert set(read.splitlines()) == {line}


def test_stop_does_not_wait_for_a_reader_that_has_stopped(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    writer = LineWriter(writing)
    for _ in range(200):
        writer.info(b"x" * 1023)

    assert not writer.close(timeout=0.1)
    while not writer.close(timeout=0.1):
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
