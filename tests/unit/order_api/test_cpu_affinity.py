"""The threads of a process on one CPU: which CPU, and that they are there."""

import os
import threading
from pathlib import Path

import pytest
import structlog

from order_api import cpu_affinity
from order_api.cpu_affinity import CpuAffinity, Times, best_cpu, free_shares, read_times
from support import wait
from support.forked_child import in_forked_child


def test_a_share_is_what_the_process_had_or_could_have_had() -> None:
    before = Times(100.0, {0: 50.0, 1: 60.0}, 7.0)
    now = Times(110.0, {0: 51.0, 1: 69.0, 2: 3.0}, 15.0)

    assert free_shares(before, now, 0) == pytest.approx({0: 0.9, 1: 0.9})
    assert free_shares(before, now, 1) == pytest.approx({0: 0.1, 1: 1.7})
    assert free_shares(before, now, None) == pytest.approx({0: 0.1, 1: 0.9})


def test_no_share_is_known_after_the_first_reading() -> None:
    assert free_shares(Times(0.0, {}, 0.0), read_times(), None) == {}


@pytest.mark.parametrize(
    ("usable", "shares", "cpu", "expected"),
    [
        pytest.param({0, 1}, {0: 0.5, 1: 0.65}, 0, 0, id="a little less free: stays"),
        pytest.param({0, 1}, {0: 0.4, 1: 0.65}, 0, 1, id="much less free: moves"),
        pytest.param({0}, {0: 0.1, 1: 0.9}, 0, 0, id="the other CPU is not usable"),
        pytest.param({1}, {0: 0.9, 1: 0.1}, 0, 1, id="its CPU is no longer usable"),
        pytest.param({4, 5}, {0: 0.9}, 5, 5, id="nothing is known about the usable CPUs"),
    ],
)
def test_the_cpu_changes_only_for_a_much_larger_share(
    usable: set[int], shares: dict[int, float], cpu: int, expected: int
) -> None:
    picked_from: list[list[int]] = []

    def pick(best: list[int]) -> int:
        picked_from.append(best)
        return best[0]

    assert best_cpu(usable, shares, cpu, pick) == expected
    assert picked_from == ([[expected]] if expected != cpu else [])


@pytest.mark.parametrize("cpu", [None, 0])
def test_equally_good_cpus_are_picked_from(cpu: int | None) -> None:
    picked_from: list[list[int]] = []

    def pick(best: list[int]) -> int:
        picked_from.append(best)
        return best[-1]

    assert best_cpu({0, 1, 2, 3}, {0: 0.2, 1: 0.9, 2: 0.75, 3: 0.6}, cpu, pick) == 2
    assert picked_from == [[1, 2]]


def test_the_kernel_tells_the_times_of_every_usable_cpu() -> None:
    times = read_times()

    assert os.sched_getaffinity(0) <= times.idle.keys()
    assert times.used > 0


def cpus(thread: threading.Thread) -> set[int]:
    """Return the CPUs that a thread may use."""
    assert thread.native_id is not None
    return os.sched_getaffinity(thread.native_id)


def test_all_threads_but_its_own_are_on_one_usable_cpu() -> None:
    def share_one_cpu() -> int:
        usable, ended = os.sched_getaffinity(0), threading.Event()
        running = [threading.Thread(target=ended.wait, daemon=True) for _ in range(3)]
        for thread in running:
            thread.start()
        affinity = CpuAffinity()
        affinity.start()
        wait.until(lambda: len(set.union(os.sched_getaffinity(0), *map(cpus, running))) == 1, "all on one CPU")
        late = threading.Thread(target=ended.wait, daemon=True)
        late.start()
        (own,) = (thread for thread in threading.enumerate() if thread.name == "cpu-affinity")
        assert cpus(late) == cpus(running[0]) < usable or len(usable) == 1
        assert cpus(own) == usable
        assert affinity.close()
        return 0

    assert in_forked_child(share_one_cpu) == 0


def test_a_thread_that_has_ended_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[int] = []

    def set_affinity(thread: int, _: set[int]) -> None:
        if thread == 10**9:
            raise ProcessLookupError
        moved.append(thread)

    threads = [Path(str(number)) for number in (10**9, 10**9 + 1, threading.get_native_id(), 10**9 + 2)]
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(threads))
    monkeypatch.setattr(os, "sched_setaffinity", set_affinity)

    cpu_affinity.move_other_threads(0)

    assert moved == [10**9 + 1, 10**9 + 2]


def test_a_refusal_is_logged_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def refuse(_cpu: int) -> None:
        tries.append(1)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(cpu_affinity, "CHECK_SECONDS", 0.001)
    monkeypatch.setattr(cpu_affinity, "FIRST_SECONDS", 0.001)
    monkeypatch.setattr(cpu_affinity, "move_other_threads", refuse)
    affinity = CpuAffinity()
    with structlog.testing.capture_logs() as lines:
        affinity.start()
        wait.until(lambda: len(tries) > 2, "three tries")
        assert affinity.close()

    assert [(line["event"], line["log_level"]) for line in lines] == [("cpu_not_chosen", "error")]


def test_a_choice_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moves: list[int] = []
    monkeypatch.setattr(cpu_affinity, "move_other_threads", moves.append)
    monkeypatch.setattr(cpu_affinity, "best_cpu", lambda *_: 5)
    affinity = CpuAffinity()
    with structlog.testing.capture_logs() as lines:
        affinity.run_once()
        affinity.run_once()

    assert moves == [5, 5]
    assert [(line["event"], line["cpu"]) for line in lines] == [("cpu_chosen", 5)]
