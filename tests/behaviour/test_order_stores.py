"""Orders as they are kept: what the fake does, MongoDB does, as order-api's own user."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.database import Database

from order_api.orders import Document
from order_api.store import DuplicateOrder, OrderStore, StoreUnavailable
from shared.ordering import schema
from support.shop import Shop, new_breaker


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
