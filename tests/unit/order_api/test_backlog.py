"""The metrics of orders that wait in the database."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from fakes.mongo_client import FakeDatabase
from order_api import backlog
from order_api.backlog import LONGEST_PAUSE_SECONDS, PAUSE_SECONDS, Backlog, BacklogMonitor, BacklogReader
from order_api.metrics import BACKLOG, MAX_AGE_SECONDS, OrderMetrics
from shared.store import StoreUnavailable
from support.clock import Clock
from support.order_stores import new_breaker
from support.relay import RelayHarness

NAMES = {name for name, _ in BACKLOG.values()}


class FakeReader:
    """A backlog reader whose `read` takes `seconds`, then returns fixed numbers, or raises `error` if it is set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds = 0.0
        self.error: Exception | None = None

    def read(self) -> Backlog:
        self._clock.advance(self.seconds)
        if self.error:
            raise self.error
        return Backlog(1, 2.0, 3, 4.0, 5, 6)


class MonitorHarness:
    """A backlog monitor with a fake reader. `shown` maps each backlog metric that has a sample to its value."""

    def __init__(self) -> None:
        self.clock, self.registry = Clock(), CollectorRegistry()
        self.reader = FakeReader(self.clock)
        anything: Any = self.reader
        self.monitor = BacklogMonitor(anything, OrderMetrics(self.registry), clock=self.clock.seconds)

    @property
    def shown(self) -> dict[str, float]:
        lines = (line.split(" ") for line in generate_latest(self.registry).decode().splitlines())
        return {name: float(value) for name, *rest in lines if name in NAMES for value in rest}


@pytest.fixture
def harness() -> MonitorHarness:
    return MonitorHarness()


def test_each_backlog_gauge_shows_the_value_of_its_field(harness: MonitorHarness) -> None:
    harness.monitor.run_once()

    assert harness.shown == {
        "retail_outbox_pending_orders": 1,
        "retail_outbox_oldest_age_seconds": 2,
        "retail_orders_unprocessed": 3,
        "retail_orders_oldest_unprocessed_age_seconds": 4,
        "retail_orders_excluded": 5,
        "retail_orders_failed_waiting": 6,
    }


def test_every_field_of_the_backlog_has_a_metric() -> None:
    assert set(BACKLOG) == set(Backlog._fields)


@pytest.mark.parametrize("error", [StoreUnavailable(), ZeroDivisionError()], ids=["outage", "defect"])
def test_gauges_have_no_value_while_the_database_cannot_be_read(harness: MonitorHarness, error: Exception) -> None:
    harness.monitor.run_once()
    harness.reader.error = error
    harness.monitor.run_once()
    during = harness.shown
    harness.reader.error = None
    harness.monitor.run_once()

    assert during == {}
    assert len(harness.shown) == len(BACKLOG)


@pytest.mark.parametrize(
    ("took", "pause"), [(0.01, PAUSE_SECONDS), (0.3, 15.0), (2.0, LONGEST_PAUSE_SECONDS)], ids=["fast", "slow", "worst"]
)
def test_pause_between_reads_grows_with_their_duration(harness: MonitorHarness, took: float, pause: float) -> None:
    harness.reader.seconds = took

    assert harness.monitor.run_once() == pytest.approx(pause)
    assert pause < MAX_AGE_SECONDS


def test_thread_stops_on_close(harness: MonitorHarness) -> None:
    harness.monitor.start()

    assert harness.monitor.close()


def test_long_backlog_is_counted_only_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LIMIT", 3)
    relay = RelayHarness()
    for _ in range(5):
        relay.place(enqueued=False)
        relay.clock.advance(10)
    relay.servers.replicate()
    read = relay.backlog()

    assert (read.pending, read.oldest_pending_seconds) == (3, 50.0)
    assert (read.unprocessed, read.oldest_unprocessed_seconds) == (3, 50.0)


def test_backlog_is_not_read_while_the_breaker_is_open() -> None:
    relay = RelayHarness()
    breaker, servers = new_breaker(), relay.servers
    database: Any = FakeDatabase(servers)
    reader = BacklogReader(database, breaker)
    relay.stop_mongodb()
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            reader.read()
    relay.start_mongodb()

    with pytest.raises(StoreUnavailable):
        reader.read()
