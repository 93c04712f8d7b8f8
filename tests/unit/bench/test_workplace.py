"""The folder of a benchmark is removed, however the benchmark ends."""

import signal
from collections.abc import Iterator

import pytest

from bench.measure import LoadFailedError
from bench.workplace import workplace


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_folder_is_removed_when_the_benchmark_ends() -> None:
    with workplace("test") as root:
        (root / "file").write_text("x")

    assert not root.exists()


def test_failed_measurement_ends_the_benchmark_with_a_sentence() -> None:
    with pytest.raises(SystemExit, match=r"^bench: three orders failed$"), workplace("test") as root:
        raise LoadFailedError("three orders failed")

    assert not root.exists()


def test_sigterm_ends_the_benchmark_and_removes_the_folder() -> None:
    with pytest.raises(SystemExit) as ended, workplace("test") as root:
        signal.raise_signal(signal.SIGTERM)

    assert ended.value.code == 128 + signal.SIGTERM
    assert not root.exists()
