"""The order store of order-api behaves the same on MongoDB in memory and on a real server."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import pytest
from pymongo.database import Database

from order_api.backlog import BY_AGE, BY_REASON
from order_api.orders import Document
from order_api.responses import to_details, to_page, to_placed
from order_api.routes import DEFAULT_LIMIT
from order_api.store import LIST_BATCH, DuplicateOrder, OrderStore
from shared.ordering import schema
from shared.ordering.document import MalformedOrder
from shared.ordering.indexes import IndexConflict
from shared.store import StoreUnavailable
from support.order_stores import StoreHarness, invalid_utf8, new_breaker


def test_only_the_owner_can_read_an_order(harness: StoreHarness) -> None:
    record = harness.make(key="k")
    harness.store.insert(record)

    assert harness.store.find(record["_id"], "alice") == record
    assert harness.store.is_pending(record["_id"], "alice")
    for order_id, user in ((record["_id"], "bob"), ("absent", "alice"), ("\0", "alice"), ("", "alice")):
        assert harness.store.find(order_id, user) is None
        assert not harness.store.is_pending(order_id, user)


def test_parallel_reads_return_each_request_its_own_order(harness: StoreHarness) -> None:
    placed = {harness.place(user=user): user for user in ("alice", "bob") * 40}
    asked = [(order_id, user) for order_id in [*placed, "absent"] for user in ("alice", "bob")]
    with ThreadPoolExecutor(32) as pool:
        found = [*pool.map(lambda one: harness.store.find(*one), asked)]

    read = {(record["_id"], record["userid"]) for record in found if record}
    assert read == {*placed.items()}
    assert [record and record["_id"] for record in found] == [
        order_id if placed.get(order_id) == user else None for order_id, user in asked
    ]


def test_idempotency_key_is_unique_per_user_and_optional(harness: StoreHarness) -> None:
    first = harness.place(key="k")
    duplicate = harness.make(key="k", cost=200)
    with pytest.raises(DuplicateOrder):
        harness.store.insert(duplicate)
    earlier = harness.store.find_existing(duplicate)
    others = [harness.place(key="k", user="bob"), harness.place(key="K"), harness.place(), harness.place()]

    assert earlier is not None
    assert earlier["_id"] == first
    assert len({first, *others}) == 5


def test_order_id_is_unique(harness: StoreHarness) -> None:
    record = harness.make()
    harness.store.insert(record)
    with pytest.raises(DuplicateOrder):
        harness.store.insert(record)

    assert harness.store.find_existing(record) == record


def test_find_existing_returns_none_if_no_earlier_order_exists(harness: StoreHarness) -> None:
    assert harness.store.find_existing(harness.make()) is None
    assert harness.store.find_existing(harness.make(key="k")) is None


def test_parallel_inserts_with_one_key_return_the_same_order(harness: StoreHarness) -> None:
    def place(record: Document) -> str:
        try:
            harness.store.insert(record)
        except DuplicateOrder:
            earlier = harness.store.find_existing(record)
            assert earlier is not None
            return str(earlier["_id"])
        return str(record["_id"])

    records = [harness.make(key="k") for _ in range(60)]
    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(place, records))) == 1


def test_list_of_an_owner_and_status_is_newest_first(harness: StoreHarness) -> None:
    ids = [harness.place(age=age) for age in (50, 40, 30, 20)]
    harness.place(user="bob")
    harness.change(ids[1], {"status": "PROCESSED"})

    def newest(status: str | None = None, after: str | None = None, limit: int = 10) -> list[str]:
        return [
            d["_id"] for d in harness.store.read_newest("alice", status=status, after=after, limit=limit, read=list)
        ]

    assert newest() == ids[::-1]
    assert newest(limit=2) == [ids[3], ids[2]]
    assert newest(after=ids[2], limit=2) == [ids[1], ids[0]]
    assert newest(status="PROCESSED") == [ids[1]]
    assert newest(status="PLACED", after=ids[2]) == [ids[0]]
    assert newest(status="FAILED") == []


def test_page_of_the_default_size_is_fetched_in_one_reply(real: StoreHarness, admin: Database[Document]) -> None:
    for _ in range(DEFAULT_LIMIT + 2):
        real.place()

    def more_replies() -> int:
        return int(admin.command("serverStatus")["metrics"]["commands"]["getMore"]["total"])

    before = more_replies()
    one_more = DEFAULT_LIMIT + 1  # tells whether there is a next page
    orders = real.store.read_newest("alice", status=None, after=None, limit=one_more, read=list)

    assert len(orders) == one_more
    assert more_replies() == before


def test_list_fetches_only_one_batch_if_its_reader_stops_early(real: StoreHarness, admin: Database[Document]) -> None:
    for _ in range(5 * LIST_BATCH):
        real.place()

    def returned() -> int:
        return int(admin.command("serverStatus")["metrics"]["document"]["returned"])

    before = returned()
    first = real.store.read_newest("alice", status=None, after=None, limit=101, read=lambda found: next(iter(found)))

    assert first["userid"] == "alice"
    assert returned() - before <= LIST_BATCH


def test_replicas_that_start_in_parallel_create_the_collection_once(database: Database[Document]) -> None:
    stores = [OrderStore(database, new_breaker(), new_breaker()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(OrderStore.prepare, stores))
    indexes = database[schema.COLLECTION].index_information()

    assert all(store.indexes_ready for store in stores)
    assert set(indexes) == {"_id_"} | {index.document["name"] for index in schema.INDEXES}
    assert indexes["one_order_per_key"]["unique"]


def test_unique_index_under_another_name_is_accepted(database: Database[Document], admin: Database[Document]) -> None:
    by_hand = schema.INDEXES[0].document
    options = {"unique": True, "partialFilterExpression": by_hand["partialFilterExpression"]}
    admin[schema.COLLECTION].create_index([*by_hand["key"].items()], name="made_by_hand", **options)
    store = OrderStore(database, new_breaker(), new_breaker())
    store.prepare()

    assert store.indexes_ready
    assert "one_order_per_key" not in database[schema.COLLECTION].index_information()


def test_error_names_the_index_that_cannot_be_created(database: Database[Document], admin: Database[Document]) -> None:
    fields = [*schema.INDEXES[0].document["key"].items()]
    admin[schema.COLLECTION].create_index(fields, name="one_order_per_key")
    store = OrderStore(database, new_breaker(), new_breaker())

    with pytest.raises(IndexConflict, match=r"one_order_per_key of orders cannot be created"):
        store.prepare()
    assert not store.indexes_ready


def test_order_with_invalid_utf8_is_malformed_and_hides_no_other(real: StoreHarness, admin: Database[Document]) -> None:
    broken, other = real.place(key="k"), real.place()
    invalid = invalid_utf8(real.raw(broken) | {"orderitems": [{"item": "café", "quantity": 1}]})
    admin[schema.COLLECTION].replace_one({"_id": broken}, invalid, bypass_document_validation=True)
    admin[schema.COLLECTION].insert_one(invalid_utf8(real.make() | {"_id": "é"}), bypass_document_validation=True)
    malformed: list[MalformedOrder] = []
    read = partial(to_page, limit=3, on_malformed=malformed.append)
    page, _ = real.store.read_newest("alice", status=None, after=None, limit=4, read=read)
    found = real.store.find(broken, "alice")

    assert [msgspec.json.decode(order)["orderid"] for order in page] == [other]
    assert [error.order_id for error in malformed] == ["\\udcff\\udcff", broken]
    assert {str(error) for error in malformed} == {"a text is not valid UTF-8"}
    assert found is not None
    assert found == real.store.find_existing(real.make(key="k"))
    for convert in (to_details, to_placed):
        with pytest.raises(MalformedOrder):
            convert(found)


def test_validator_rejects_a_malformed_document(real: StoreHarness) -> None:
    changes: list[Document] = [{"cost": "1"}, {"cost": -1}, {"status": "LOST"}, {"orderitems": []}, {"history": None}]
    for change in changes:
        with pytest.raises(StoreUnavailable):
            real.store.insert(real.make() | change)


def test_parallel_inserts_each_get_their_own_error(real: StoreHarness) -> None:
    """Parallel inserts share one write: a duplicate key or a rejected document fails only its own insert."""
    real.place(key="taken")
    records = [
        real.make(key="taken") if n % 3 == 1 else real.make() | ({"cost": "1"} if n % 3 == 2 else {}) for n in range(90)
    ]

    def insert(record: Document) -> str:
        try:
            real.store.insert(record)
        except (DuplicateOrder, StoreUnavailable) as error:
            return type(error).__name__
        return "stored"

    with ThreadPoolExecutor(30) as pool:
        outcomes = list(pool.map(insert, records))

    assert outcomes == ["stored", "DuplicateOrder", "StoreUnavailable"] * 30
    assert all(real.raw(record["_id"]) == record for record in records[::3])


def test_queries_of_order_api_use_their_indexes(real: StoreHarness, admin: Database[Document]) -> None:
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
        "oldest_placed": collection.find({"status": "PLACED"}, hint=BY_AGE).sort("placed_at", 1).limit(1),
        "failed_by_reason": collection.find(
            {"status": "FAILED", "history.reason": {"$regex": "^could not"}}, hint=BY_REASON
        ),
    }

    for index, cursor in plans.items():
        plan = str(cursor.explain()["queryPlanner"]["winningPlan"])
        assert f"'indexName': '{index}'" in plan, plan
        assert "COLLSCAN" not in plan
    pending = str(collection.find({"status": "PLACED", "outbox.due": {"$type": "date"}}).explain()["queryPlanner"])
    assert "'indexName': 'outbox_due'" in pending
