"""Runs first in a service that bench.overhead starts without a part: replaces the calls of that part by nothing.

`BENCH_WITHOUT` is `metrics` or `tracing`.
"""

import os
from contextlib import nullcontext
from typing import Any


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _without_metrics() -> None:
    from prometheus_client import metrics  # noqa: PLC0415 - only in a service that is to be without them

    class_of_all: Any = metrics.MetricWrapperBase
    class_of_all.labels = lambda self, *_, **__: self
    for kind, names in {
        metrics.Counter: ("inc",),
        metrics.Histogram: ("observe",),
        metrics.Gauge: ("inc", "dec", "set", "set_function"),
    }.items():
        for name in names:
            setattr(kind, name, _nothing)


def _without_tracing() -> None:
    from shared.telemetry import trace_context, tracing  # noqa: PLC0415 - the same

    tracer: Any = tracing.Tracer
    tracer.start_request = lambda *_: (None, None)
    tracer.start = tracer.start_linked = _nothing
    tracer.span = lambda *_, **__: nullcontext()
    module: Any = trace_context
    module.log_field = lambda _: {}
    module.exemplar = _nothing


{"metrics": _without_metrics, "tracing": _without_tracing}[os.environ["BENCH_WITHOUT"]]()
