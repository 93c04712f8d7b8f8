"""Which results the report of the guarantees shows."""

from faults.harness.report import latest
from faults.harness.results import Result


def _result(at: str, scale: str = "short", part: str = "part") -> Result:
    return Result(1, part, scale, "title", "test", outcome="passed", at=at)


def test_report_shows_the_latest_result_of_a_part() -> None:
    old, new, other = _result("2026-01-01"), _result("2026-01-02"), _result("2026-01-01", part="other")
    assert latest([new, old, other]) == [other, new]


def test_full_result_of_one_variant_replaces_the_combined_short_one() -> None:
    together, one, other = _result("2", part="kill-all"), _result("1", "full", "kill-a"), _result("1", part="stop-all")
    assert latest([together, one, other]) == [one, other]


def test_short_result_does_not_replace_a_full_one() -> None:
    full, short = _result("2026-01-01", "full"), _result("2026-01-02", "short")
    assert latest([full, short]) == [full]
