"""Exponential back-off with jitter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.resilience.backoff import Backoff


def test_pause_doubles_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=5.0, jitter=lambda: 0)

    assert [backoff.pause(failures) for failures in range(1, 7)] == [0.5, 1, 2, 4, 5, 5]


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 1.0), (0.5, 0.75), (1.0, 0.5)])
def test_jitter_shortens_a_pause_by_up_to_half(jitter: float, share: float) -> None:
    assert Backoff(first=2.0, longest=9.0, jitter=lambda: jitter).pause(2) == 4.0 * share


@given(st.integers(1, 10**9))
def test_pause_is_at_least_half_of_first_and_at_most_longest(failures: int) -> None:
    assert 0.05 <= Backoff(first=0.1, longest=30.0).pause(failures) <= 30.0
