"""Orders and their outbox: what the fake does, MongoDB does, as order-api's own user."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo.database import Database

from fakes import mongo_client
from fakes.orders import FakeOrders
from fakes.replica_set import ReplicaSet
from local_stack.stack import Stack
from order_api import orders, schema
from order_api.app import Orders
from order_api.markers import Markers
from order_api.models import OrderItem
from order_api.orders import Document
from order_api.store import DuplicateOrder, OrderStore, StoreUnavailable
from order_api.sweep import Outbox, sweep
from shared import mongo
from shared.breaker import Breaker
from shared.metrics import BreakerMetrics
from shared.money import Amount
from support.wait import until


@dataclass
class Shop:
    """The two faces of one collection, and ways to reach behind them."""

    store: Orders
    outbox: Outbox
    raw: Callable[[str], Document]
    change: Callable[[str, Document], None]
    refuse_changes: Callable[[str], None]
    _numbers: Iterator[int] = field(default_factory=count)

    def make(self, *, user: str = "alice", key: str | None = None, age: float = 10.0, cost: int = 100) -> Document:
        """Return the document of an order placed `age` seconds ago by the store's clock."""
        now = self.outbox.now() - timedelta(seconds=age)
        order_id = orders.new_id(now, next(self._numbers).to_bytes(10, "big"))
        order = orders.Order(user, Amount(cost), "USD", (OrderItem("apple", 2, Amount(50)),))
        return orders.document(order, order_id=order_id, now=now, key=key)

    def place(self, **given: Any) -> str:
        record = self.make(**given)
        self.store.insert(record)
        return str(record["_id"])

    def due_in(self, order_id: str) -> float:
        due: datetime = self.raw(order_id)["outbox"]["due"]
        return (due - self.outbox.now()).total_seconds()


@pytest.fixture
def fake() -> Shop:
    store = FakeOrders()

    def change(order_id: str, fields: Document) -> None:
        for path, value in fields.items():
            parent, _, name = path.rpartition(".")
            document = store.documents[order_id]
            (document[parent] if parent else document)[name] = value

    return Shop(store, store, lambda i: store.documents[i], change, store.refused.add)


@pytest.fixture
def in_memory() -> Shop:
    """The real stores on a replica set in memory."""
    servers = ReplicaSet(lambda: to_milliseconds(datetime.now(UTC)))
    servers.before = lambda _: servers.replicate()  # what is not waited for is safe soon
    anything: Any = mongo_client.Database(servers)
    store = OrderStore(anything, new_breaker())
    store.prepare()

    def change(order_id: str, fields: Document) -> None:
        servers.update({"_id": order_id}, {"$set": fields}, many=False)
        servers.replicate()

    return Shop(store, Markers(anything, new_breaker()), lambda i: servers.primary[i], change, servers.refused.add)


def to_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def connect(servers: Stack, user: str) -> Database[Document]:
    variables = servers.client(user)
    ca_file, database = Path(variables["MONGODB_CA_FILE"]), variables["MONGODB_DATABASE"]
    return mongo.connect(variables["MONGODB_URI"], ca_file=ca_file, database=database, app_name="tests", pool=32)


@pytest.fixture
def admin(servers: Stack) -> Iterator[Database[Document]]:
    """The administrator's view of an empty shop."""
    database = connect(servers, "admin")
    database.drop_collection(schema.COLLECTION)
    yield database
    database.drop_collection(schema.COLLECTION)
    database.client.close()


@pytest.fixture
def database(servers: Stack, admin: Database[Document]) -> Iterator[Database[Document]]:
    assert admin is not None
    database = connect(servers, "order-api")
    yield database
    database.client.close()


def new_breaker() -> Breaker:
    return Breaker("mongodb", BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure)


@pytest.fixture
def real(database: Database[Document], admin: Database[Document]) -> Shop:
    store = OrderStore(database, new_breaker())
    store.prepare()
    collection = admin[schema.COLLECTION]

    def refuse_changes(order_id: str) -> None:
        rule = {"$or": [{"_id": {"$ne": order_id}}, {"outbox.attempts": 0}]}
        admin.command("collMod", schema.COLLECTION, validator={"$and": [schema.VALIDATOR, rule]})

    def raw(order_id: str) -> Document:
        document = collection.find_one({"_id": order_id})
        assert document is not None
        return document

    def change(order_id: str, fields: Document) -> None:
        collection.update_one({"_id": order_id}, {"$set": fields})

    return Shop(store, Markers(database, new_breaker()), raw, change, refuse_changes)


@pytest.fixture(params=["fake", "in_memory", "real"])
def shop(request: pytest.FixtureRequest) -> Shop:
    shop: Shop = request.getfixturevalue(request.param)
    return shop


def test_an_order_is_read_back_as_it_was_stored_by_its_owner_only(shop: Shop) -> None:
    record = shop.make(key="k")
    shop.store.insert(record)

    assert shop.store.find(record["_id"], "alice") == record
    assert shop.store.is_on_its_way(record["_id"], "alice")
    for order_id, user in ((record["_id"], "bob"), ("absent", "alice"), ("\0", "alice"), ("", "alice")):
        assert shop.store.find(order_id, user) is None
        assert not shop.store.is_on_its_way(order_id, user)


def test_one_user_has_one_order_per_key_and_any_number_without(shop: Shop) -> None:
    first = shop.place(key="k")
    twin = shop.make(key="k", cost=200)
    with pytest.raises(DuplicateOrder):
        shop.store.insert(twin)
    earlier = shop.store.find_earlier(twin)
    others = [shop.place(key="k", user="bob"), shop.place(key="K"), shop.place(), shop.place()]

    assert earlier is not None
    assert earlier["_id"] == first
    assert len({first, *others}) == 5


def test_an_id_is_there_once(shop: Shop) -> None:
    record = shop.make()
    shop.store.insert(record)
    with pytest.raises(DuplicateOrder):
        shop.store.insert(record)

    assert shop.store.find_earlier(record) == record


def test_nothing_earlier_is_found_where_nothing_was(shop: Shop) -> None:
    assert shop.store.find_earlier(shop.make()) is None
    assert shop.store.find_earlier(shop.make(key="k")) is None


def test_of_parallel_inserts_with_one_key_one_wins_and_all_learn_which(shop: Shop) -> None:
    def place(record: Document) -> str:
        try:
            shop.store.insert(record)
        except DuplicateOrder:
            earlier = shop.store.find_earlier(record)
            assert earlier is not None
            return str(earlier["_id"])
        return str(record["_id"])

    records = [shop.make(key="k") for _ in range(60)]
    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(place, records))) == 1


def test_lists_are_newest_first_by_owner_and_status(shop: Shop) -> None:
    ids = [shop.place(age=age) for age in (50, 40, 30, 20)]
    shop.place(user="bob")
    shop.change(ids[1], {"status": "PROCESSED"})

    def newest(status: str | None = None, after: str | None = None, limit: int = 10) -> list[str]:
        return [d["_id"] for d in shop.store.newest("alice", status=status, after=after, limit=limit)]

    assert newest() == ids[::-1]
    assert newest(limit=2) == [ids[3], ids[2]]
    assert newest(after=ids[2], limit=2) == [ids[1], ids[0]]
    assert newest(status="PROCESSED") == [ids[1]]
    assert newest(status="PLACED", after=ids[2]) == [ids[0]]
    assert newest(status="FAILED") == []


def test_due_are_placed_orders_whose_time_has_passed_or_is_absurdly_far(shop: Shop) -> None:
    now = shop.outbox.now()
    passed, far, soon, processed, published = (shop.place() for _ in range(5))
    fresh = shop.place(age=-20)
    shop.change(far, {"outbox.due": now + timedelta(minutes=3)})
    shop.change(soon, {"outbox.due": now + timedelta(minutes=1)})
    shop.change(processed, {"status": "PROCESSED"})
    shop.outbox.remove([published])

    def due(limit: int) -> list[str]:
        return shop.outbox.find_due(shop.outbox.now(), limit)

    # A majority read may trail the removal, which is not waited for.
    until(lambda: set(due(10)) == {passed, far}, "the two that are due")
    assert len(due(1)) == 1
    assert shop.due_in(fresh) > 0


def test_a_claim_takes_what_is_still_due_for_30_seconds(shop: Shop) -> None:
    first, second = shop.place(), shop.place()
    shop.outbox.claim([first], "one", shop.outbox.now())
    shop.outbox.claim([first, second], "two", shop.outbox.now())

    assert [d["_id"] for d in shop.outbox.find_claimed([first, second], "one")] == [first]
    assert [d["_id"] for d in shop.outbox.find_claimed([first, second], "two")] == [second]
    assert 25 < shop.due_in(first) <= 30
    assert shop.raw(first)["outbox"]["attempts"] == 1


def test_a_sweep_returns_what_is_needed_to_publish(shop: Shop) -> None:
    placed = {shop.place() for _ in range(3)}
    swept = sweep(shop.outbox, claim="c", limit=10)

    assert {record["_id"] for record in swept} == placed
    assert {orders.event(record).orderid for record in swept} == placed
    assert sweep(shop.outbox, claim="d", limit=10) == []


def test_of_parallel_sweeps_each_order_is_of_one(shop: Shop) -> None:
    placed = sorted(shop.place() for _ in range(50))
    with ThreadPoolExecutor(4) as pool:
        swept = list(pool.map(lambda n: sweep(shop.outbox, claim=f"c{n}", limit=50), range(4)))

    assert sorted(record["_id"] for records in swept for record in records) == placed


def test_an_order_that_was_processed_after_its_claim_is_not_published(shop: Shop) -> None:
    order_id = shop.place()
    shop.outbox.claim([order_id], "c", shop.outbox.now())
    shop.change(order_id, {"status": "PROCESSED"})

    assert shop.outbox.find_claimed([order_id], "c") == []


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"), [(1, 0.0, 1), (3, 0.0, 4), (9, 0.0, 20), (1000, 0.0, 20), (3, 1.0, 2)]
)
def test_a_released_claim_is_due_after_a_back_off_by_its_attempts(
    shop: Shop, attempts: int, jitter: float, seconds: float
) -> None:
    order_id, other = shop.place(), shop.place()
    for claimed, claim in ((order_id, "mine"), (other, "theirs")):
        shop.outbox.claim([claimed], claim, shop.outbox.now())
    shop.change(order_id, {"outbox.attempts": attempts})
    shop.outbox.release([order_id, other], ["mine"], jitter)

    assert seconds - 1 < shop.due_in(order_id) <= seconds
    assert shop.due_in(other) > 25


def test_a_removed_marker_is_gone_and_removing_it_again_does_nothing(shop: Shop) -> None:
    first, second = shop.place(), shop.place()
    shop.outbox.remove([first, "absent"])
    shop.outbox.remove([first])

    assert "outbox" not in shop.raw(first)
    assert "outbox" in shop.raw(second)


def test_the_backlog_counts_placed_orders_with_a_marker(shop: Shop) -> None:
    empty = shop.outbox.backlog()
    oldest, processed, removed = shop.place(age=100), shop.place(age=200), shop.place(age=300)
    shop.place()
    shop.change(processed, {"status": "PROCESSED"})
    shop.outbox.remove([removed])
    backlog = shop.outbox.backlog()

    assert tuple(empty) == (0, 0)
    assert oldest
    assert backlog.pending == 2
    assert 99 < backlog.oldest_seconds < 110


def test_an_order_that_may_not_be_changed_does_not_keep_its_neighbours_from_it(shop: Shop) -> None:
    ids = [shop.place() for _ in range(5)]
    shop.refuse_changes(ids[2])
    swept = sweep(shop.outbox, claim="c", limit=10)
    shop.outbox.remove(ids)

    assert {record["_id"] for record in swept} == {*ids} - {ids[2]}
    assert [order_id for order_id in ids if "outbox" in shop.raw(order_id)] == [ids[2]]


def test_the_collection_is_made_once_however_many_replicas_start(database: Database[Document]) -> None:
    stores = [OrderStore(database, new_breaker()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(OrderStore.prepare, stores))
    indexes = database[schema.COLLECTION].index_information()

    assert all(store.is_confirmed for store in stores)
    assert set(indexes) == {"_id_"} | {index.document["name"] for index in schema.INDEXES}
    assert indexes["one_order_per_key"]["unique"]


def test_the_validator_refuses_a_document_of_another_shape(real: Shop) -> None:
    changes: list[Document] = [{"cost": "1"}, {"cost": 0}, {"status": "LOST"}, {"orderitems": []}, {"history": None}]
    for change in changes:
        with pytest.raises(StoreUnavailable):
            real.store.insert(real.make() | change)


def test_every_query_has_its_index(real: Shop, admin: Database[Document]) -> None:
    collection = admin[schema.COLLECTION]
    for number in range(300):
        real.place(user=f"user-{number % 3}", key=f"k{number}")
    now = datetime.now(UTC)
    passed = {"$or": [{"outbox.due": {"$lte": now}}, {"outbox.due": {"$gt": now + timedelta(minutes=2)}}]}
    plans = {
        "one_order_per_key": collection.find({"userid": "user-1", "idempotency.key": "k1"}),
        "newest_of_user": collection.find({"userid": "user-1"}).sort("_id", -1).limit(3),
        "newest_of_user_by_status": collection.find({"userid": "user-1", "status": "FAILED"}).sort("_id", -1),
        "outbox_due": collection.find({"status": "PLACED"} | passed).limit(10),
    }

    for index, cursor in plans.items():
        plan = str(cursor.explain()["queryPlanner"]["winningPlan"])
        assert f"'indexName': '{index}'" in plan, plan
        assert "COLLSCAN" not in plan
    pending = str(collection.find({"status": "PLACED", "outbox.due": {"$type": "date"}}).explain()["queryPlanner"])
    assert "'indexName': 'outbox_due'" in pending
