"""The table of what metrics, logs and traces cost."""

import os
import subprocess
import sys

import pytest

from bench import overhead


def test_ratio_compares_systems_in_the_same_round() -> None:
    shipped, again = [90.0, 180, 360, 90, 90], [110.0, 220, 440, 110, 110]
    table = overhead.table({overhead.SHIPPED: shipped, overhead.AGAIN: again, "other": [110, 220, 440, 110, 120]})

    assert table.splitlines()[2:] == [
        f"| {overhead.SHIPPED} | 90 | 0.900 (0.900-0.900) |",
        f"| {overhead.AGAIN} | 110 | 1.100 (1.100-1.100) |",
        "| other | 120 | 1.100 (1.100-1.150) |",
    ]


METRICS = """
from prometheus_client import CollectorRegistry
from shared.telemetry.metrics import HttpMetrics
registry = CollectorRegistry()
metrics = HttpMetrics(registry)
metrics.requests.labels("/", "GET", 200).inc()
metrics.duration.labels("/", "GET").observe(1)
print(sum(len(family.samples) for family in registry.collect()))
"""
TRACING = """
from fakes.span_recorder import FakeRecorder
from shared.telemetry.tracing import Tracer
recorder = FakeRecorder()
tracer = Tracer(recorder)
tracer.start("send", "client", tracer.start_request("GET /", None)[0])
print(len(recorder.spans))
"""


@pytest.mark.parametrize(("part", "script"), [("metrics", METRICS), ("tracing", TRACING)])
def test_service_without_a_part_does_nothing_of_it(part: str, script: str) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{overhead.WITHOUT}:tests", "BENCH_WITHOUT": part}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout.strip(), done.stderr) == ("0", "")
