"""Status changes and the search for lost events behave the same on MongoDB in memory and on a real server."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo.errors import OperationFailure, WriteError

from fakes.mongo_client import FakeDatabase
from fakes.replica_set import ReplicaSet
from local_stack.stack import Stack
from shared import mongo
from shared.mongo import Document
from shared.ordering import schema
from shared.ordering.status import Status
from shared.ordering.transitions import OrderTransitions, State
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from support.handler import PLACED_AT, document
from support.servers import database

AT = PLACED_AT + timedelta(seconds=3)


@dataclass
class TransitionHarness:
    """The store under test, with direct access to its documents.

    `reject` makes the validator reject every change of an order.
    """

    orders: OrderTransitions
    put: Callable[[Document], None]
    get: Callable[[str], Document]
    reject: Callable[[str], None]

    def add(self, **changes: Any) -> str:
        """Insert an order and return its unique id."""
        order_id = f"t{secrets.token_hex(12)}"
        self.put(document(order_id, **changes))
        return order_id


def breaker() -> Breaker:
    return Breaker("mongodb", BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure)


@pytest.fixture
def fake() -> TransitionHarness:
    servers = ReplicaSet(lambda: datetime.now(UTC))
    anything: Any = FakeDatabase(servers)

    def put(record: Document) -> None:
        servers.insert(record)
        servers.replicate()

    return TransitionHarness(
        OrderTransitions(anything, breaker()), put, lambda order_id: servers.view[order_id], servers.rejected_ids.add
    )


@pytest.fixture
def real(servers: Stack) -> Iterator[TransitionHarness]:
    with database(servers, "order-processor") as own, database(servers, "admin") as admin:
        schema.ensure(admin[schema.COLLECTION])
        unchecked = admin[schema.COLLECTION]

        def put(record: Document) -> None:
            unchecked.insert_one(record, bypass_document_validation=True)

        def reject(order_id: str) -> None:
            changed = {"$nor": [{"_id": order_id, "version": {"$gt": 1}}, {"_id": order_id, "rearmed": {"$gt": 0}}]}
            admin.command("collMod", schema.COLLECTION, validator={"$and": [schema.VALIDATOR, changed]})

        yield TransitionHarness(
            OrderTransitions(own, breaker()),
            put,
            lambda order_id: admin.orders.find_one({"_id": order_id}) or {},
            reject,
        )
        admin.orders.delete_many({"placed_at": PLACED_AT})
        schema.ensure(admin[schema.COLLECTION])


@pytest.fixture(params=["fake", "real"])
def harness(request: pytest.FixtureRequest) -> TransitionHarness:
    harness: TransitionHarness = request.getfixturevalue(request.param)
    return harness


def test_only_placed_orders_are_processed_and_counted(harness: TransitionHarness) -> None:
    placed, marked = harness.add(), harness.add(marked=True)
    processed, failed = harness.add(status="PROCESSED"), harness.add(status="FAILED")
    before = harness.get(processed), harness.get(failed)

    assert harness.orders.process([placed, marked, processed, failed, "absent"], at=AT) == 2
    assert harness.orders.process([placed, marked], at=AT + timedelta(hours=1)) == 0

    assert (harness.get(processed), harness.get(failed)) == before
    for order in (harness.get(placed), harness.get(marked)):
        assert (order["status"], order["processed_at"], order["version"]) == ("PROCESSED", AT, 2)
        assert order["history"][1:] == [{"status": "PROCESSED", "at": AT, "by": "order-processor", "reason": None}]
        assert "outbox" not in order


@pytest.mark.parametrize(
    "shape", [{"history": "PLACED"}, {"history": None}, {"version": "1"}, {"version": None}], ids=str
)
def test_malformed_order_cannot_be_processed_but_can_be_failed(harness: TransitionHarness, shape: Document) -> None:
    order_id = harness.add(**shape)

    with pytest.raises(WriteError) as caught:
        harness.orders.process([order_id], at=AT)
    assert mongo.is_document_error(caught.value)
    assert harness.orders.fail([order_id], at=AT, reason="$userid", by="order-api") == 1

    order = harness.get(order_id)
    assert (order["status"], order["version"]) == ("FAILED", 2 if "history" in shape else 1)
    assert order["history"][-1] == {"status": "FAILED", "at": AT, "by": "order-api", "reason": "$userid"}
    assert "outbox" not in order


@pytest.mark.parametrize("shape", [{"outbox": "due"}, {"outbox": 7, "rearmed": "never"}, {"rearmed": "never"}], ids=str)
def test_order_with_malformed_outbox_entry_or_requeue_count_is_requeued(
    harness: TransitionHarness, shape: Document
) -> None:
    order_id = harness.add(**shape)

    assert harness.orders.requeue([order_id]) == 1

    order = harness.get(order_id)
    entry = order["outbox"]
    assert isinstance(entry.pop("due"), datetime)
    assert entry == {"attempts": 0, "claim": None, "traceparent": None}
    assert order["rearmed"] == 1


def test_excluded_order_is_skipped_until_it_is_included(harness: TransitionHarness) -> None:
    order_id, other = harness.add(outbox={"due": "excluded", "attempts": 0}), harness.add()

    found = {one for stuck in (False, True) for one in harness.orders.without_outbox_entry(limit=1000, stuck=stuck)}
    assert (order_id in found, other in found) == (False, True)
    assert harness.orders.include([order_id, other]) == 1

    assert isinstance(harness.get(order_id)["outbox"]["due"], datetime)


def test_failed_order_has_a_reason_and_no_processing_time(harness: TransitionHarness) -> None:
    order_id = harness.add(marked=True)

    assert harness.orders.fail([order_id], at=AT, reason="no apples") == 1

    order = harness.get(order_id)
    assert (order["status"], order["processed_at"], "outbox" in order) == ("FAILED", None, False)
    assert order["history"][-1] == {"status": "FAILED", "at": AT, "by": "order-processor", "reason": "no apples"}


def test_redrive_requeues_only_failed_orders(harness: TransitionHarness) -> None:
    failed, placed = harness.add(status="FAILED", rearmed=5), harness.add()

    assert harness.orders.redrive([failed, placed], at=AT, by="operator", reason="fixed") == 1
    assert harness.orders.redrive([failed], at=AT, by="operator") == 0

    order = harness.get(failed)
    assert (order["status"], order["version"], order["rearmed"]) == ("PLACED", 2, 0)
    assert order["history"][-1] == {"status": "PLACED", "at": AT, "by": "operator", "reason": "fixed"}
    entry = order["outbox"]
    assert (entry["attempts"], entry["claim"], entry["traceparent"]) == (0, None, None)
    assert abs(entry["due"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert "outbox" not in harness.get(placed)


def test_states_omit_unknown_orders(harness: TransitionHarness) -> None:
    placed, processed = harness.add(), harness.add()
    harness.orders.process([processed], at=AT)

    assert harness.orders.states([placed, processed, "absent"]) == {
        placed: State(Status.PLACED, PLACED_AT),
        processed: State(Status.PROCESSED, AT),
    }


def test_orders_without_outbox_entry_and_stuck_orders_are_found_separately(harness: TransitionHarness) -> None:
    fresh, often = harness.add(), harness.add(rearmed=5)
    others = {harness.add(marked=True), harness.add(status="PROCESSED"), harness.add(status="FAILED")}

    normal, stuck = (set(harness.orders.without_outbox_entry(limit=1000, stuck=stuck)) for stuck in (False, True))

    assert (fresh in normal, often in normal, fresh in stuck, often in stuck) == (True, False, False, True)
    assert not others & (normal | stuck)
    assert len(harness.orders.without_outbox_entry(limit=1, stuck=False)) == 1


def test_requeue_restores_the_outbox_entry_once_and_is_counted(harness: TransitionHarness) -> None:
    lost, marked, processed = harness.add(rearmed=2), harness.add(marked=True), harness.add(status="PROCESSED")

    assert harness.orders.requeue([lost, marked, processed]) == 1
    assert harness.orders.requeue([lost]) == 0

    order = harness.get(lost)
    assert (order["rearmed"], order["status"], order["version"]) == (3, "PLACED", 1)
    assert order["outbox"]["attempts"] == 0
    assert abs(order["outbox"]["due"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert harness.get(marked)["outbox"]["due"] == PLACED_AT


def test_change_rejected_by_the_validator_raises_a_document_error(harness: TransitionHarness) -> None:
    # `fail` and `requeue` exclude an order whose change is rejected, unless the validator rejects the exclusion as well
    excluded = {"due": "excluded", "attempts": 0}
    changes: list[Callable[[str], int]] = [
        lambda order_id: harness.orders.process([order_id], at=AT),
        lambda order_id: harness.orders.fail([order_id], at=AT, reason="x"),
        lambda order_id: harness.orders.requeue([order_id]),
    ]

    for change in changes:
        rejected = harness.add()
        harness.reject(rejected)
        with pytest.raises(WriteError) as caught:
            change(rejected)
        assert mongo.is_document_error(caught.value)
        order = harness.get(rejected)
        entry = order.pop("outbox", excluded)
        assert (order, entry) == (document(rejected), excluded)


def test_orders_without_outbox_entry_are_found_by_index(servers: Stack) -> None:
    with database(servers, "admin") as admin:
        schema.ensure(admin[schema.COLLECTION])
        admin.orders.insert_many([document(f"x{secrets.token_hex(12)}", status="PROCESSED") for _ in range(2_000)])
        query = {"status": "PLACED", "outbox.due": None, "rearmed": {"$gte": 5}}

        stats = admin.orders.find(query).explain()["executionStats"]

        assert stats["totalKeysExamined"] + stats["totalDocsExamined"] < 1_000
        admin.orders.delete_many({"placed_at": PLACED_AT})


def test_order_processor_cannot_insert_or_delete_orders(servers: Stack) -> None:
    with database(servers, "order-processor") as own:
        for change in (lambda: own.orders.insert_one(document("x")), lambda: own.orders.delete_one({"_id": "x"})):
            with pytest.raises(OperationFailure) as caught:
                change()
            assert caught.value.code == 13
