"""A consumer is reported as stuck only if a committed offset stands still although events are waiting."""

import pytest

from order_processor.stuck_detector import ConsumerStuck, StuckDetector
from shared.ordering.offsets import Offsets, Reading

ASSIGNED = frozenset({("orders.placed", 0), ("orders.placed", 1)})


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def detector(clock: Clock) -> StuckDetector:
    return StuckDetector(clock=clock)


def reading(*committed: int, end: int = 10) -> Reading:
    return {partition: Offsets(0, end, offset) for partition, offset in enumerate(committed)}


def test_stuck_partition_is_detected_although_others_make_progress(detector: StuckDetector, clock: Clock) -> None:
    for others in range(3):
        detector.observe(reading(others, 4), ASSIGNED, is_busy=False)
        detector.check()
        clock.now += 9

    with pytest.raises(ConsumerStuck, match="partition 1 is stuck at offset 4"):
        detector.check()


def test_unassigned_consumer_is_stuck_after_sixty_seconds(detector: StuckDetector, clock: Clock) -> None:
    for _ in range(4):
        detector.observe(reading(10, 4), frozenset(), is_busy=False)
        detector.check()
        clock.now += 19

    with pytest.raises(ConsumerStuck):
        detector.check()


def test_short_time_or_single_observation_does_not_mean_stuck(detector: StuckDetector, clock: Clock) -> None:
    for _ in range(5):
        detector.observe(reading(10, 4), ASSIGNED, is_busy=False)
        clock.now += 1
    detector.check()
    detector.observe(reading(10, 5), ASSIGNED, is_busy=False)
    clock.now += 500

    detector.check()


def test_partition_whose_committed_offset_moves_is_not_stuck(detector: StuckDetector, clock: Clock) -> None:
    for committed in range(8):
        detector.observe(reading(10, committed), ASSIGNED, is_busy=False)
        clock.now += 19

    detector.check()


@pytest.mark.parametrize(
    ("later", "assigned", "is_busy"),
    [
        (reading(10, 10), ASSIGNED, False),
        (reading(10, 4), ASSIGNED, True),
        (reading(10, 4), frozenset({("orders.placed", 0)}), False),
        ({}, ASSIGNED, False),
    ],
    ids=["nothing left", "busy, or paused in an outage", "now assigned to another consumer", "unknown partition"],
)
def test_observation_with_a_harmless_explanation_restarts_the_detection(
    detector: StuckDetector, clock: Clock, later: Reading, assigned: frozenset[tuple[str, int]], *, is_busy: bool
) -> None:
    for now in (reading(10, 4), reading(10, 4), later, reading(10, 4), reading(10, 4)):
        is_later = now is later
        detector.observe(now, assigned if is_later else ASSIGNED, is_busy=is_busy and is_later)
        clock.now += 15

    detector.check()
