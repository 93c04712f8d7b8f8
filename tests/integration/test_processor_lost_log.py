"""Reconciliation requeues orders whose events were lost with the topic; the orders are then processed."""

from prometheus_client import CollectorRegistry

from faults.harness.topic import recreate
from shared import mongo
from shared.ordering.events import GROUP, TOPIC
from shared.ordering.offsets import GroupOffsets
from shared.ordering.outbox_entry import PUBLISHED
from shared.ordering.reconcile import Outcome, Reconciler
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from support.seeded_orders import SeededOrders
from support.servers import connection, database
from support.wait import until


def test_deleting_a_topic_with_events_loses_no_order(seeded: SeededOrders) -> None:
    with seeded.processor() as processor:
        seeded.publish(seeded.store(200))
        seeded.await_settled()
        processor.await_assignment()
        processor.kill()
    lost = seeded.store(300)
    seeded.publish(lost)
    recreate(seeded.stack, TOPIC)
    newer = seeded.store(50)
    seeded.publish(newer)

    with seeded.processor() as processor:
        until(lambda: seeded.as_api.orders.count_documents({"userid": seeded.user, "rearmed": 1}) >= 300, "the requeue")
        assert processor.count("retail_outbox_requeued_total") >= 300
        marked = [d["_id"] for d in seeded.as_api.orders.find({"status": "PLACED", "userid": seeded.user})]
        seeded.as_api.orders.update_many({"_id": {"$in": marked}}, {"$unset": {"outbox": ""}})
        seeded.publish(marked)  # as order-api's sweep would
        assert set(seeded.await_settled().values()) == {"PROCESSED"}
        assert processor.stop() == 0

    seeded.assert_one_effect_each()


def test_running_processor_continues_after_its_topic_is_recreated(seeded: SeededOrders) -> None:
    with seeded.processor() as processor:
        seeded.publish(seeded.store(200))
        seeded.await_settled()

        recreate(seeded.stack, TOPIC)
        seeded.publish(seeded.store(20))  # fewer than before: the committed offsets are beyond the new end

        assert set(seeded.await_settled(seconds=90).values()) == {"PROCESSED"}
        assert processor.stop() == 0
    offsets = GroupOffsets(connection(seeded.stack, "operator"), topic=TOPIC, group=GROUP).read()
    assert {partition.lag for partition in offsets.values()} == {0}
    seeded.assert_one_effect_each()


def test_reconciliation_waits_for_committed_offsets_before_it_requeues(seeded: SeededOrders) -> None:
    (lost,) = seeded.store(1)
    with database(seeded.stack, "order-processor") as as_processor:
        breaker = Breaker("m", BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure)
        offsets = GroupOffsets(connection(seeded.stack, "order-processor"), topic=TOPIC, group=GROUP)
        reconciler = Reconciler(OrderTransitions(as_processor, breaker), offsets)
        seeded.publish(seeded.store(20))

        assert reconciler.step() is Outcome.WAITING
        with seeded.processor(RECONCILE_INTERVAL_SECONDS="60") as processor:
            until(lambda: seeded.count("PROCESSED") == 20, "the other orders to be PROCESSED")
            assert processor.stop() == 0
        assert reconciler.step() is Outcome.REQUEUED
        offsets.close()

    order = seeded.as_api.orders.find_one({"_id": lost}) or {}
    assert (order["status"], order["rearmed"], order["outbox"]["attempts"]) == ("PLACED", 1, 0)
    assert seeded.as_api.orders.count_documents(PUBLISHED | {"userid": seeded.user}) == 0
