"""A stack under load, with a real Prometheus and a real Zipkin. The tests run only by `make test-observability`."""

import os
from collections.abc import Iterator

import pytest

from local_stack import prometheus
from local_stack.options import Observation
from local_stack.stack import Stack, StackOptions
from support.observed import DIVISOR, SCRAPE_SECONDS, Prometheus, load

collect_ignore_glob = [] if os.environ.get("OBSERVABILITY_TESTS") else ["test_*.py"]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole system under load, with two replicas of every service."""
    assert prometheus.binary(), "this test needs Prometheus: Debian's package prometheus"
    options = StackOptions(
        root=tmp_path_factory.mktemp("observed"),
        ports="free",
        counts={"auth-api": 2, "order-processor": 2},
        extra_env={"order-processor": {"RECONCILE_INTERVAL_SECONDS": "1"}},
        observe=Observation(seconds=SCRAPE_SECONDS, divisor=DIVISOR, traces=True),
    )
    with Stack(options) as stack, load(stack):
        yield stack


@pytest.fixture(scope="session")
def watched(stack: Stack) -> Iterator[Prometheus]:
    with Prometheus(stack.observer_url("prometheus")) as watched:
        yield watched
