"""The report that the benchmark makes of its samples."""

import json

import pytest

from bench import report
from bench.contenders import OURS
from bench.measure import UNKNOWN, Sample


def sample(requests: int, app: float) -> Sample:
    return Sample(requests, 10.0, 0, 5.0, 10.0, {"app": app, "mongod": 100.0, "broker": 50.0})


RESULTS = {
    "naive": {32: [sample(1_000, 850), sample(3_000, 850), sample(2_000, 850)]},
    OURS: {32: [sample(3_000, 350), sample(6_000, 350), sample(4_000, 350)]},
}


def test_ratio_is_the_median_of_the_ratios_per_round() -> None:
    speed, cpu = report.ratio(RESULTS, 32, "naive")

    assert speed == 2.0  # the median of the rounds' ratios 3, 2 and 2
    assert cpu == pytest.approx(0.5)


def test_table_has_medians_with_the_smallest_and_largest_value() -> None:
    table = report.table(RESULTS, {"naive": "stored", OURS: "safe"}, 32, "naive")

    (line,) = [line for line in table.splitlines() if OURS in line]
    assert line.split(" | ")[1:4] == ["safe", "400 (300-600)", "2.00 (2.00-3.00) x"]


def test_limits_table_shows_rate_and_cpu_time_per_process_group() -> None:
    (line,) = [line for line in report.limits_table({"produce": [sample(900, 35)]}).splitlines() if "produce" in line]

    assert line == "| produce | 90 | 35 | 100 | 50 |"


def test_latency_that_was_not_measured_is_null_in_json() -> None:
    limit = Sample(900, 10.0, 0, UNKNOWN, UNKNOWN, {"app": 35.0})

    (found,) = report.samples({"produce": [limit]})["produce"]
    assert (found["p50_ms"], found["p99_ms"], found["per_second"]) == (None, None, 90.0)
    json.dumps(found, allow_nan=False)


def test_table_shows_failed_requests() -> None:
    failing = Sample(100, 10.0, 7, 5.0, 10.0, {"app": 1.0})

    assert "| peer (7 requests failed) |" in report.table({"peer": {32: [failing]}}, {"peer": "stored"}, 32, "peer")
