"""Which failed rows of the short form may be retried."""

from typing import Any

import pytest

from faults.harness.results import Result
from faults.harness.retry import BROKEN, only_slow

KEPT = dict.fromkeys(BROKEN, 0)


def _result(outcome: str, figures: dict[str, Any]) -> Result:
    return Result(1, "part", "short", "title", "test", outcome=outcome, figures=figures)


def test_row_that_only_exceeded_a_time_limit_is_retried() -> None:
    assert only_slow([_result("failed", KEPT), _result("passed", {})])


@pytest.mark.parametrize("name", BROKEN)
def test_row_with_a_broken_promise_is_not_retried(name: str) -> None:
    assert not only_slow([_result("failed", KEPT), _result("failed", KEPT | {name: 1})])


def test_row_without_a_verdict_is_not_retried() -> None:
    assert not only_slow([_result("failed", {})])


def test_nothing_is_retried_if_no_row_failed() -> None:
    assert not only_slow([_result("passed", KEPT)])
