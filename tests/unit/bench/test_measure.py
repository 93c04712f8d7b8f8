"""One measurement, with a program in place of wrk."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import measure
from bench.measure import LoadFailedError, Request, Sample

Wrk = Callable[[str], None]
RESULT = (
    'RESULT {{"succeeded": {}, "seconds": 2.0, "failed": {}, "error_responses": {}, "p50_ms": 1.0, "p99_ms": null}}'
)


@pytest.fixture
def wrk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wrk:
    """Return a function that makes a shell script the program wrk."""

    def install(script: str) -> None:
        program = tmp_path / "wrk"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o700)

    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return install


def load(settle: Callable[[], None] = lambda: None, watched: dict[str, list[int]] | None = None) -> Sample:
    return measure.load(
        Request("http://localhost/order", "{}"), connections=1, seconds=1, watched=watched or {}, settle=settle
    )


def test_sample_has_the_figures_of_the_load(wrk: Wrk) -> None:
    wrk(f"echo '{RESULT.format(100, 3, 0)}'")
    sample = load()

    assert (sample.requests, sample.failed, sample.per_second) == (100, 3, 50.0)
    assert (sample.p50_ms, sample.p99_ms) == (1.0, None)
    assert set(sample.cpu_us) == {"load"}


def test_cpu_time_contains_the_work_that_the_responses_left(wrk: Wrk) -> None:
    wrk(f"echo '{RESULT.format(10, 0, 0)}'")

    def work() -> None:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass

    sample = load(work, {"app": [os.getpid()]})
    assert sample.cpu_us["app"] >= 0.15e6 / 10  # the kernel counts in hundredths of a second


def test_error_response_ends_the_measurement(wrk: Wrk) -> None:
    wrk(f"echo '{RESULT.format(99, 1, 1)}'")

    with pytest.raises(LoadFailedError, match="http://localhost/order: 1 of 100 requests got an error response"):
        load()


def test_load_without_success_ends_the_measurement(wrk: Wrk) -> None:
    wrk(f"echo '{RESULT.format(0, 32, 0)}'")

    with pytest.raises(LoadFailedError, match="http://localhost/order: none of 32 requests succeeded"):
        load()


def test_program_without_a_result_is_quoted(wrk: Wrk) -> None:
    wrk("echo 'unable to connect' >&2; exit 1")

    with pytest.raises(LoadFailedError, match="unable to connect"):
        load()


def test_program_that_hangs_is_killed(wrk: Wrk, monkeypatch: pytest.MonkeyPatch) -> None:
    wrk("exec sleep 30")
    monkeypatch.setattr(measure, "MARGIN_SECONDS", -0.8)

    with pytest.raises(LoadFailedError, match="did not end within"):
        load()


def test_process_that_ends_meanwhile_ends_the_measurement(wrk: Wrk) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    wrk(f"kill {process.pid}; echo '{RESULT.format(1, 0, 0)}'")

    with pytest.raises(LoadFailedError, match=f"process {process.pid} ended during the measurement"):
        load(lambda: _reap(process), {"app": [process.pid]})


def _reap(process: "subprocess.Popen[bytes]") -> None:
    process.communicate(timeout=30)


def test_request_with_a_body_is_a_post() -> None:
    assert Request("u", "{}", "Bearer x", ("/a", "/b")).environment() == {
        "BENCH_METHOD": "POST",
        "BENCH_BODY": "{}",
        "BENCH_AUTHORIZATION": "Bearer x",
        "BENCH_PATHS": "/a\n/b",
    }
    assert Request("u").environment()["BENCH_METHOD"] == "GET"
