"""The fake records of signing keys behave like the real ones.

The real ones are used once with the rights of auth-api and once with those of the operator.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fakes.auth import FakeKeyRecords
from shared.key_records import KeyRecords
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from support.order_stores import connect
from support.wait import until


@pytest.fixture(params=["fake", "real"])
def key_records(request: pytest.FixtureRequest) -> Iterator[list[Any]]:
    """The records of two replicas of auth-api, and those of the operator."""
    if request.param == "fake":
        yield [FakeKeyRecords()] * 3
        return
    stack = request.getfixturevalue("servers")
    databases = [connect(stack, user) for user in ("auth-api", "auth-api", "operator")]
    breaker = Breaker("mongodb", BreakerMetrics(CollectorRegistry()))
    yield [KeyRecords(database, breaker) for database in databases]
    for database in databases:
        database.client.close()


def test_first_publication_is_recorded_once_for_all_replicas(key_records: list[Any]) -> None:
    one, other, _ = key_records
    kid, younger = secrets.token_hex(8), secrets.token_hex(8)
    first = one.publish([kid])[kid]
    until(lambda: other.publish([kid])[kid].published_seconds > first.published_seconds, "time to pass", every=0.01)
    records = other.publish([kid, younger])

    assert first.published_seconds < 60
    assert records[kid].published_seconds > records[younger].published_seconds >= 0
    assert not records[kid].is_revoked


def test_revoked_key_is_revoked_for_all_replicas(key_records: list[Any]) -> None:
    one, other, operator = key_records
    published, unknown = secrets.token_hex(8), secrets.token_hex(8)
    one.publish([published])
    revocations = [operator.revoke(published), operator.revoke(unknown), operator.revoke(published)]
    records = other.publish([published, unknown])

    assert revocations == [True, True, False]
    assert records[published].is_revoked
    assert records[unknown].is_revoked
