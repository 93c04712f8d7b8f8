"""Events that the log has lost are found by the offsets, and their orders are processed all the same."""

from prometheus_client import CollectorRegistry

from faults.harness.topic import make_anew
from shared import mongo
from shared.ordering.events import GROUP, TOPIC
from shared.ordering.offsets import GroupOffsets
from shared.ordering.reconcile import Outcome, Reconciler
from shared.ordering.transitions import UNMARKED, Orders
from shared.resilience.breaker import Breaker
from shared.telemetry.metrics import BreakerMetrics
from support.plant import Plant
from support.processor import Bench
from support.servers import connection, database
from support.wait import until


def test_a_topic_deleted_with_events_in_it_costs_no_order(plant: Plant) -> None:
    with plant.processor() as processor:
        plant.publish(plant.store(200))
        plant.await_settled()
        processor.await_assignment()
        processor.kill()
    lost = plant.store(300)
    plant.publish(lost)
    make_anew(plant.stack, TOPIC)
    newer = plant.store(50)
    plant.publish(newer)

    with plant.processor() as processor:
        until(lambda: plant.as_api.orders.count_documents({"userid": plant.user, "rearmed": 1}) >= 300, "the rearming")
        assert processor.count("retail_outbox_requeued_total") >= 300
        marked = [d["_id"] for d in plant.as_api.orders.find({"status": "PLACED", "userid": plant.user})]
        plant.as_api.orders.update_many({"_id": {"$in": marked}}, {"$unset": {"outbox": ""}})
        plant.publish(marked)  # as order-api's sweep does
        assert set(plant.await_settled().values()) == {"PROCESSED"}
        assert processor.stop() == 0

    plant.assert_one_effect_each()


def test_a_running_processor_survives_its_topic_made_anew(plant: Plant) -> None:
    with plant.processor() as processor:
        plant.publish(plant.store(200))
        plant.await_settled()

        make_anew(plant.stack, TOPIC)
        plant.publish(plant.store(20))  # fewer than before: the old offsets are beyond the end

        assert set(plant.await_settled(seconds=90).values()) == {"PROCESSED"}
        assert processor.stop() == 0
    offsets = GroupOffsets(connection(plant.stack, "operator"), topic=TOPIC, group=GROUP).read()
    assert {partition.lag for partition in offsets.values()} == {0}
    plant.assert_one_effect_each()


def test_reconciliation_waits_for_the_committed_offsets_and_then_rearms(plant: Plant) -> None:
    bench = Bench()
    (lost,) = plant.store(1)
    with database(plant.stack, "order-processor") as as_processor:
        breaker = Breaker("m", BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure)
        offsets = GroupOffsets(connection(plant.stack, "order-processor"), topic=TOPIC, group=GROUP)
        reconciler = Reconciler(Orders(as_processor, breaker), offsets, bench.metrics)
        plant.publish(plant.store(20))

        assert reconciler.step() is Outcome.WAITING
        with plant.processor(RECONCILE_INTERVAL_SECONDS="60") as processor:
            until(lambda: plant.count("PROCESSED") == 20, "the others")
            assert processor.stop() == 0
        assert reconciler.step() is Outcome.REARMED
        offsets.close()

    order = plant.as_api.orders.find_one({"_id": lost}) or {}
    assert (order["status"], order["rearmed"], order["outbox"]["attempts"]) == ("PLACED", 1, 0)
    assert plant.as_api.orders.count_documents(UNMARKED | {"userid": plant.user}) == 0
