"""What a login reads of stored users."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from auth_api.passwords import Passwords, UnusableHash
from auth_api.store import MongoUsers
from fakes.mongo_client import FakeDatabase
from fakes.replica_set import Failure, ReplicaSet
from shared.resilience.breaker import Breaker
from shared.store import OutcomeUnknown
from shared.telemetry.metrics import BreakerMetrics

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("is_lost", [True, False])
def test_new_user_can_log_in_only_after_majority_commit(*, is_lost: bool) -> None:
    servers = ReplicaSet(lambda: NOW)
    database: Any = FakeDatabase(servers)
    users = MongoUsers(database, Breaker("mongodb", BreakerMetrics(CollectorRegistry())))
    servers.before_operation = lambda operation: Failure.UNANSWERED if operation == "insert" else None
    with pytest.raises(OutcomeUnknown):
        users.add("alice", "a hash", NOW)
    if is_lost:
        servers.on_majority_wait = servers.fail_over

    assert users.password_hash("alice") == (None if is_lost else "a hash")


@pytest.mark.parametrize("fields", [{}, {"password_hash": None}, {"password_hash": 7}, {"password_hash": {"a": 1}}])
def test_hash_of_a_malformed_user_document_is_unusable(fields: dict[str, Any]) -> None:
    database: Any = FakeDatabase(ReplicaSet(lambda: NOW))
    users = MongoUsers(database, Breaker("mongodb", BreakerMetrics(CollectorRegistry())))
    database["users"].insert_one({"_id": "alice", **fields})
    stored = users.password_hash("alice")

    assert stored is not None
    with pytest.raises(UnusableHash):
        Passwords(memory_kib=8, passes=1).verify(stored, "a password")
