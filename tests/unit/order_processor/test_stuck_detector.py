"""A consumer that holds partitions and gets nothing from them is noticed, and only such a one."""

import pytest

from order_processor.stuck_detector import Progress, Stalled
from shared.ordering.offsets import Offsets, Reading

HELD = frozenset({("orders.placed", 0), ("orders.placed", 1)})


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress(clock=clock)


def reading(*committed: int, end: int = 10) -> Reading:
    return {partition: Offsets(0, end, offset) for partition, offset in enumerate(committed)}


def test_events_that_do_not_come_end_the_process(progress: Progress, clock: Clock) -> None:
    """Of one partition is enough, whatever flows in the others."""
    for others in range(3):
        progress.observe(reading(others, 4), HELD, is_busy=False)
        progress.check()
        clock.now += 9

    with pytest.raises(Stalled, match="partition 1, and none has come since offset 4"):
        progress.check()


def test_one_who_holds_nothing_ends_when_nobody_takes_the_events(progress: Progress, clock: Clock) -> None:
    for _ in range(4):
        progress.observe(reading(10, 4), frozenset(), is_busy=False)
        progress.check()
        clock.now += 19

    with pytest.raises(Stalled):
        progress.check()


def test_quick_looks_or_a_long_sleep_alone_are_no_stall(progress: Progress, clock: Clock) -> None:
    for _ in range(5):
        progress.observe(reading(10, 4), HELD, is_busy=False)
        clock.now += 1
    progress.check()
    progress.observe(reading(10, 5), HELD, is_busy=False)
    clock.now += 500

    progress.check()


def test_a_position_that_moves_is_no_stall(progress: Progress, clock: Clock) -> None:
    for committed in range(8):
        progress.observe(reading(10, committed), HELD, is_busy=False)
        clock.now += 19

    progress.check()


@pytest.mark.parametrize(
    ("later", "held", "is_busy"),
    [
        (reading(10, 10), HELD, False),
        (reading(10, 4), HELD, True),
        (reading(10, 4), frozenset({("orders.placed", 0)}), False),
        ({}, HELD, False),
    ],
    ids=["nothing left", "busy, or paused in an outage", "held by another now", "unknown partition"],
)
def test_the_time_begins_anew(
    progress: Progress, clock: Clock, later: Reading, held: frozenset[tuple[str, int]], *, is_busy: bool
) -> None:
    for now in (reading(10, 4), reading(10, 4), later, reading(10, 4), reading(10, 4)):
        is_later = now is later
        progress.observe(now, held if is_later else HELD, is_busy=is_busy and is_later)
        clock.now += 15

    progress.check()
