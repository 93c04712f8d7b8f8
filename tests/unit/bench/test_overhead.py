"""The table of what metrics, logs and traces cost."""

import os
import subprocess
import sys

import pytest

from bench import overhead


def test_ratio_compares_systems_in_the_same_round() -> None:
    table = overhead.table({overhead.SHIPPED: [100, 200, 400, 100, 100], "other": [110, 220, 440, 110, 120]})

    assert table.splitlines()[2:] == [
        f"| {overhead.SHIPPED} | 100 | 1.000 (1.000-1.000) |",
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
