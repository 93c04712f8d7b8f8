"""auth-api's fake stores behave like the real ones, which use MongoDB with auth-api's rights."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo.database import Database
from pymongo.errors import OperationFailure

from auth_api.app import UserStore
from auth_api.store import MongoFailures, MongoUsers, NameTaken
from auth_api.throttle import WINDOW, Failures, Limit, Throttle, TooManyFailures
from fakes.auth import FakeFailures, FakeUsers
from local_stack.stack import Stack
from shared import mongo
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from support.clock import Clock
from support.order_stores import connect

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Stores:
    """The stores of two replicas of auth-api, and a function that makes recorded attempts older."""

    users: list[UserStore]
    failures: list[Failures]
    pass_time: Callable[[timedelta], None]
    name: str = field(default_factory=lambda: f"u{secrets.token_hex(8)}")  # unique: all tests share one database

    def limit(self, most: int) -> Limit:
        return Limit(secrets.token_hex(8), most)


@pytest.fixture
def fake() -> Stores:
    clock = Clock()
    failures = FakeFailures(clock)
    return Stores([FakeUsers()] * 2, [failures] * 2, lambda delta: clock.advance(seconds=delta.total_seconds()))


@pytest.fixture
def databases(servers: Stack) -> Iterator[list[Database[mongo.Document]]]:
    """Connections of two replicas of auth-api, and one of the administrator."""
    databases = [connect(servers, user) for user in ("auth-api", "auth-api", "admin")]
    yield databases
    for database in databases:
        database.client.close()


@pytest.fixture
def real(databases: list[Database[mongo.Document]]) -> Stores:
    *replicas, admin = databases
    breakers = [Breaker("mongodb", BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure) for _ in replicas]
    users = [MongoUsers(d, b) for d, b in zip(replicas, breakers, strict=True)]
    failures = [MongoFailures(d, b) for d, b in zip(replicas, breakers, strict=True)]

    def pass_time(delta: timedelta) -> None:
        earlier = {"$subtract": ["$$this.at", int(delta.total_seconds() * 1000)]}
        moved = {"$map": {"input": "$attempts", "in": {"id": "$$this.id", "at": earlier}}}
        admin["login_failures"].update_many({}, [{"$set": {"attempts": moved}}])

    return Stores([*users], [*failures], pass_time)


@pytest.fixture(params=["fake", "real"])
def stores(request: pytest.FixtureRequest) -> Stores:
    stores: Stores = request.getfixturevalue(request.param)
    return stores


def test_hash_stored_by_one_replica_is_read_by_another(stores: Stores) -> None:
    stores.users[0].add(stores.name, "hash", NOW)

    assert stores.users[1].password_hash(stores.name) == "hash"


def test_absent_user_has_no_hash(stores: Stores) -> None:
    assert stores.users[0].password_hash(stores.name) is None


def test_taken_name_is_rejected_and_keeps_its_hash(stores: Stores) -> None:
    stores.users[0].add(stores.name, "first", NOW)
    with pytest.raises(NameTaken):
        stores.users[1].add(stores.name, "second", NOW)

    assert stores.users[1].password_hash(stores.name) == "first"


def test_only_one_of_parallel_registrations_succeeds(stores: Stores) -> None:
    def add(number: int) -> bool:
        try:
            stores.users[number % 2].add(stores.name, str(number), NOW)
        except NameTaken:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(add, range(64)))

    assert won.count(True) == 1
    assert stores.users[0].password_hash(stores.name) == str(won.index(True))


def test_hash_is_replaced_only_if_unchanged(stores: Stores) -> None:
    stores.users[0].add(stores.name, "one", NOW)
    stores.users[0].replace_hash(stores.name, "one", "two")
    stores.users[1].replace_hash(stores.name, "one", "three")

    assert stores.users[0].password_hash(stores.name) == "two"


def test_replacing_the_hash_of_an_absent_user_creates_nothing(stores: Stores) -> None:
    stores.users[0].replace_hash(stores.name, "one", "two")

    assert stores.users[0].password_hash(stores.name) is None


def test_unused_limit_has_no_attempts(stores: Stores) -> None:
    assert [t.attempts for t in stores.failures[0].read([stores.limit(1).key]) if t.attempts] == []


def test_attempts_are_counted_across_replicas_up_to_the_limit(stores: Stores) -> None:
    limit = stores.limit(3)
    for number in range(5):
        stores.failures[number % 2].add([limit], f"attempt{number}")
    (tally,) = stores.failures[1].read([limit.key])

    assert tally.key == limit.key
    assert [id_ for id_, _ in tally.attempts] == ["attempt0", "attempt1", "attempt2"]
    assert all(tally.now - timedelta(seconds=30) < at <= tally.now for _, at in tally.attempts)


def test_attempt_rejected_by_one_limit_counts_for_the_others(stores: Stores) -> None:
    full, free = stores.limit(0), stores.limit(1)
    tallies = stores.failures[0].add([full, free], "attempt")

    assert {t.key: [id_ for id_, _ in t.attempts] for t in tallies} == {full.key: [], free.key: ["attempt"]}


def test_removed_attempt_allows_another(stores: Stores) -> None:
    limit = stores.limit(1)
    stores.failures[0].add([limit], "one")
    stores.failures[1].remove([limit.key], "one")
    (tally,) = stores.failures[0].add([limit], "two")

    assert [id_ for id_, _ in tally.attempts] == ["two"]


def test_removing_an_absent_attempt_changes_nothing(stores: Stores) -> None:
    limit = stores.limit(2)
    stores.failures[0].add([limit], "one")
    stores.failures[0].remove([limit.key, stores.limit(1).key], "other")

    assert [len(t.attempts) for t in stores.failures[0].read([limit.key])] == [1]


def test_attempts_expire_one_by_one_after_the_window(stores: Stores) -> None:
    limit = stores.limit(2)
    stores.failures[0].add([limit], "one")
    stores.pass_time(WINDOW / 2)
    stores.failures[0].add([limit], "two")
    stores.pass_time(WINDOW / 2)
    (tally,) = stores.failures[0].read([limit.key])

    assert [id_ for id_, _ in tally.attempts] == ["two"]
    (tally,) = stores.failures[0].add([limit], "three")
    assert [id_ for id_, _ in tally.attempts] == ["two", "three"]


def test_parallel_attempts_across_replicas_never_exceed_the_limit(stores: Stores) -> None:
    throttles = [Throttle(failures) for failures in stores.failures]

    def guess(number: int) -> bool:
        with suppress(TooManyFailures):
            throttles[number % 2].begin(stores.name, "192.0.2.77", is_known=False)
            return True
        return False

    with ThreadPoolExecutor(16) as pool:
        counted = sum(pool.map(guess, range(150)))

    assert counted == 10
    stores.pass_time(WINDOW)


def test_error_at_the_limit_contains_the_time_to_wait(stores: Stores) -> None:
    throttle = Throttle(stores.failures[0])
    for _ in range(10):
        throttle.begin(stores.name, "192.0.2.78", is_known=False)
    stores.pass_time(timedelta(minutes=1))

    with pytest.raises(TooManyFailures) as caught:
        throttle.begin(stores.name, "192.0.2.78", is_known=False)
    assert 210 < caught.value.retry_after <= 240
    stores.pass_time(WINDOW)


def test_remembered_login_is_known_to_all_replicas(stores: Stores) -> None:
    key = secrets.token_hex(8)
    before = stores.failures[1].is_known(key)
    for _ in range(2):
        stores.failures[0].remember(key)

    assert (before, stores.failures[1].is_known(key)) == (False, True)


def test_ttl_index_keeps_attempts_for_the_whole_window(real: Stores, databases: list[Database[mongo.Document]]) -> None:
    (store, other) = real.failures
    assert isinstance(store, MongoFailures)
    assert isinstance(other, MongoFailures)
    for failures in (store, other, store):
        failures.create_indexes()
    indexes: dict[str, Any] = {i["name"]: i for i in databases[2]["login_failures"].list_indexes()}

    assert set(indexes) == {"_id_", "changed_at_ttl"}
    assert indexes["changed_at_ttl"]["expireAfterSeconds"] >= WINDOW.total_seconds()


@pytest.mark.parametrize(
    "verb",
    [
        lambda db: db["users"].delete_one({"_id": "x"}),
        lambda db: db["users"].drop(),
        lambda db: db["users"].create_index("x"),
        lambda db: db["login_failures"].delete_one({"_id": "x"}),
        lambda db: db["login_failures"].drop(),
        lambda db: db["signing_keys"].delete_one({"_id": "x"}),
        lambda db: db["orders"].find_one(),
        lambda db: db["orders"].insert_one({}),
        lambda db: db["another"].insert_one({}),
        lambda db: db.command("usersInfo"),
        lambda db: db.client["admin"]["system.users"].find_one(),
    ],
)
def test_auth_api_is_denied_operations_that_it_does_not_need(
    databases: list[Database[mongo.Document]], verb: Callable[[Database[mongo.Document]], object]
) -> None:
    with pytest.raises(OperationFailure, match="not authorized"):
        verb(databases[0])
