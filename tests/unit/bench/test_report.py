"""The report that the benchmark makes of its samples."""

from pathlib import Path

import pytest

from bench import ratios, report, results
from bench.contenders import AGAIN, BLACKSHEEP, FALCON, NAIVE, OURS
from bench.measure import Sample
from bench.results import Results


def sample(requests: int, app: float, p99_ms: float | None = 10.0, failed: int = 0) -> Sample:
    cpu_us = {"app": app, "mongod": 100.0, "broker": 50.0, "load": 7.0}
    return Sample(requests, 10.0, failed, 5.0, p99_ms, cpu_us)


def found() -> Results:
    naive = [sample(1_000, 850), sample(3_000, 850), sample(2_000, 850)]
    ours = [sample(3_000, 350), sample(6_000, 350), sample(4_000, 350)]
    return Results("2 cores", 3, 10, closed_loop={NAIVE.name: {32: naive}, OURS: {32: ours}})


def test_ratio_is_the_median_of_the_ratios_per_round() -> None:
    speed, cpu = ratios.to_naive(found())

    assert speed == 2.0  # the median of the rounds' ratios 3, 2 and 2
    assert cpu == pytest.approx(0.5)


def test_table_has_medians_with_the_smallest_and_largest_value() -> None:
    table = report.closed_loop_table(found(), 32)

    (line,) = [line for line in table.splitlines() if OURS in line]
    assert line.split(" | ")[2:4] == ["400 (300-600)", "2.00 (2.00-3.00) x"]
    assert line.split(" | ")[6:] == ["350", "100", "50", "-", "500", "7 |"]


def test_contender_appears_only_in_the_tables_that_measured_it() -> None:
    both = found()
    both.closed_loop[NAIVE.name][1] = both.closed_loop[OURS][1] = [sample(500, 900)]
    both.closed_loop[AGAIN] = {32: both.closed_loop[OURS][32]}

    assert AGAIN in report.closed_loop_table(both, 32)
    assert AGAIN not in report.closed_loop_table(both, 1)


def test_latency_with_a_failed_percentile_is_not_a_number() -> None:
    one = found()
    one.closed_loop[OURS][32][1] = sample(90, 350, p99_ms=None, failed=7)

    (line,) = [line for line in report.closed_loop_table(one, 32).splitlines() if OURS in line]
    assert line.startswith(f"| **{OURS}** (7 requests failed) |")
    assert line.split(" | ")[5] == "failed"


def test_best_peer_is_the_one_with_the_most_orders_among_equal_promises() -> None:
    three = found()
    three.closed_loop[FALCON.name] = {32: [sample(5_000, 350)] * 3}
    three.closed_loop[BLACKSHEEP.name] = {32: [sample(2_000, 350)] * 3}

    (line,) = [line for line in ratios.ratios_table(three).splitlines() if "without an outbox" in line]
    assert line == f"| the best peer without an outbox: {FALCON.name} | 0.80 (0.60-1.20) x | 1.00 x |"


def test_p99_at_half_the_capacity_is_compared_with_that_of_naive_flask() -> None:
    one = found()
    one.open_loop = {
        NAIVE.name: {50: [sample(900, 35, 80.0), sample(900, 35, None, failed=30)]},
        OURS: {50: [sample(900, 35, 20.0), sample(900, 35, 20.0)]},
    }

    assert ("p99 at half of our capacity", "naive Flask at the same rate", [0.25]) in ratios.ratios(one)


def test_open_loop_table_has_latencies_and_delays_of_each_rate() -> None:
    one = found()
    one.rate = 1000.0
    one.open_loop = {OURS: {25: [sample(900, 35)], 50: [sample(900, 35)]}}
    one.delays_ms = {25: [(12.0, 40.0)]}

    lines = report.open_loop_table(one).splitlines()
    assert lines[2] == f"| {OURS} | 5.0 / 10.0 | 5.0 / 10.0 |"
    assert lines[3] == f"| {OURS}, from placed to processed | 12 / 40 | - / - |"
    assert lines[4] == "| CPU µs of the load generator, per request | 7 | 7 |"


def test_drain_is_compared_with_its_step_alone() -> None:
    one = found()
    one.drains = {"order-processor processes": [sample(6_000, 35), sample(7_000, 35)]}
    one.limits = {"bulk_update": [sample(10_000, 35), sample(10_000, 35)]}

    ratio = ("order-processor processes orders that wait, orders/s", "bulk_update alone", [0.6, 0.7])
    assert ratio in ratios.ratios(one)


def test_memory_is_shown_for_each_number_of_orders() -> None:
    one = found()
    one.memory_mib = {9_000: {"order-api": 80.2}, 100_000: {"order-api": 81.9}}
    one.start_seconds = {"order-api": [1.0, 1.5, 1.2]}

    assert report.footprint_table(one).splitlines()[::2] == [
        "| service | seconds to start | MiB after 9,000 orders | MiB after 100,000 orders |",
        "| order-api | 1.2 (1.0-1.5) | 80 | 82 |",
    ]


def test_text_states_what_was_not_measured() -> None:
    one = found()
    one.problems = ["the memory: order-api-0 stopped during the measurement"]

    assert "Not measured: the memory: order-api-0 stopped during the measurement" in report.text(one)


def test_report_of_written_results_is_the_same(tmp_path: Path) -> None:
    one = found()
    one.open_loop = {OURS: {25: [sample(900, 35, None, failed=9)]}}
    one.delays_ms = {25: [(12.0, 40.0)]}
    one.memory_mib = {9_000: {"order-api": 80.2}}
    results.write(one, tmp_path / "results.json")

    assert report.text(results.read(tmp_path / "results.json")) == report.text(one)
