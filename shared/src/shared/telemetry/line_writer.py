"""Writes log lines in a thread of its own, many with one system call: no request waits for the reader of the log."""

import atexit
import os
import select
import threading
import time
from collections import deque
from contextlib import suppress

import structlog

from shared.resilience.worker import Worker

DELAY_SECONDS = 0.02  # the thread waits so long for more lines, which it then writes together
QUEUE_LIMIT = 2_000
CLOSE_SECONDS = 1.0
logger = structlog.get_logger(__name__)


class LineWriter:
    """Queues lines, and writes them at most DELAY_SECONDS later. Thread-safe. No line can fail a request.

    If the reader of the output does not keep up, further lines are dropped, and a later line says how many. If the
    process is killed, the lines in the queue are lost; at its normal exit they are written, for at most a second. A
    forked child, and a process that can start no thread, write each line at once.
    """

    def __init__(self, output: int, *, limit: int = QUEUE_LIMIT) -> None:
        """`output` is a file descriptor; `limit` is the number of lines in the queue."""
        self._output = output
        self._limit = limit
        self._pid = os.getpid()
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._next_report = 0.0
        self._thread_id = 0
        self._lock = threading.Lock()
        self._is_queued = threading.Event()
        self._worker = Worker("log-writer", self._run)
        self._is_started = False

    def write(self, line: bytes) -> None:
        """Queue a line; the newline is added here."""
        if os.getpid() != self._pid or self._worker.stopping.is_set():
            self._write_now(line + b"\n")
        elif len(self._lines) >= self._limit and threading.get_ident() != self._thread_id:
            with self._lock:
                self._dropped += 1
        else:
            self._lines.append(line)
            if not self._is_queued.is_set():
                self._wake()

    debug = info = warning = error = critical = write

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Write the queued lines and stop the thread; return whether it took no longer than `timeout` seconds.

        Later lines are written at once.
        """
        if os.getpid() != self._pid:
            return True
        self._worker.stop()
        self._is_queued.set()
        if not self._worker.close(timeout):
            return False
        self._write_queued()
        return True

    def _wake(self) -> None:
        """Wake the thread; start it for the first line, because gunicorn's master must not have threads as it forks."""
        with self._lock:
            is_first, self._is_started = not self._is_started, True
        if is_first:
            atexit.register(self.close)
            try:
                self._worker.start()
            except RuntimeError:  # the process may have no more threads
                self.close()
        self._is_queued.set()

    def _run(self) -> None:
        self._thread_id = threading.get_ident()
        while not self._worker.stopping.is_set():
            self._is_queued.wait()
            self._worker.stopping.wait(DELAY_SECONDS)
            self._is_queued.clear()  # before the lines are read: a line that is queued now sets it again
            with suppress(MemoryError):  # some lines are lost, but the thread goes on
                self._write_queued()

    def _write_queued(self) -> None:
        while self._lines:
            lines, size = [self._lines.popleft()], 0
            while self._lines and (size := size + len(lines[-1]) + 1) + len(self._lines[0]) < select.PIPE_BUF:
                lines.append(self._lines.popleft())
            self._write_now(b"\n".join(lines) + b"\n")
            if self._dropped and (not self._lines or time.monotonic() >= self._next_report):
                self._report_dropped()

    def _report_dropped(self) -> None:
        """Log how many lines were dropped: at most once a second while lines are written, and when all are."""
        self._next_report = time.monotonic() + 1
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        logger.warning("log_lines_dropped", count=dropped)

    def _write_now(self, lines: bytes) -> None:
        """Write lines whole: the kernel does not mix up to 4 KiB (PIPE_BUF) with what other processes write."""
        with suppress(OSError):  # the disk is full, or the output closed
            while lines:
                lines = lines[os.write(self._output, lines) :]
