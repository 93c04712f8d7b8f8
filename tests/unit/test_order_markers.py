"""What the markers in MongoDB tell, beyond what every outbox does (tests/behaviour)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fakes import mongo_client
from fakes.replica_set import ReplicaSet
from order_api import markers, orders
from order_api.models import OrderItem
from order_api.store import OrderStore
from shared.breaker import Breaker
from shared.metrics import BreakerMetrics
from shared.money import Amount

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_backlog_too_long_to_be_counted_shows_as_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "BACKLOG_LIMIT", 3)
    database: Any = mongo_client.Database(ReplicaSet(lambda: NOW))
    breaker = Breaker("mongodb", BreakerMetrics(CollectorRegistry()))
    store = OrderStore(database, breaker)
    order = orders.Order("alice", Amount(100), "USD", (OrderItem("apple"),))
    for age in (50, 40, 30, 20, 10):
        placed = NOW - timedelta(seconds=age)
        store.insert(orders.document(order, order_id=orders.new_id(placed, bytes(10)), now=placed))

    assert markers.Markers(database, breaker).backlog() == (3, 50.0)
