"""order-processor as a process on real MongoDB and Kafka: normal work, kills, and an outage."""

import signal
import time
from datetime import UTC, datetime

import pytest

from order_api import orders as rules
from shared import kafka
from shared.ordering import events
from shared.ordering.events import GROUP, TOPIC
from shared.ordering.offsets import GroupOffsets
from support.seeded_orders import SeededOrders
from support.servers import connection
from support.wait import until


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_processor_processes_and_counts_orders_and_stops_cleanly(seeded: SeededOrders, protocol: str) -> None:
    seeded.publish(seeded.store(300))

    with seeded.processor(KAFKA_GROUP_PROTOCOL=protocol) as processor:
        assert set(seeded.await_settled().values()) == {"PROCESSED"}
        until(processor.is_ready, "readiness")
        until(lambda: processor.count("retail_orders_processed_total") == 300, "the count of orders")
        until(lambda: processor.count("retail_kafka_consumer_lag", TOPIC, "0") == 0, "no lag")
        assert processor.count("retail_events_consumed_total", "processed") == 300
        assert processor.count("retail_circuit_breaker_state", "mongodb", "closed") == 1
        assert processor.count("retail_certificate_expiry_timestamp_seconds", "kafka-ca") > time.time()
        assert processor.stop() == 0

    seeded.assert_one_effect_each()
    assert GroupOffsets(connection(seeded.stack, "operator"), topic=TOPIC, group=GROUP).read()[0].lag == 0


def test_partitions_that_end_with_control_records_have_no_lag(seeded: SeededOrders) -> None:
    ids = seeded.store(20)
    transactional = {"transactional.id": seeded.user}
    producer = kafka.producer(connection(seeded.stack, "admin"), lambda _: None, **transactional)
    producer.init_transactions(30)
    producer.begin_transaction()
    for record in seeded.as_api.orders.find({"_id": {"$in": ids}}):
        key, value, headers = events.encode(rules.build_event(record))
        producer.produce(TOPIC, key=key, value=value, headers=[*headers])
    producer.commit_transaction(30)
    offsets = GroupOffsets(connection(seeded.stack, "operator"), topic=TOPIC, group=GROUP)
    try:
        with seeded.processor() as processor:
            assert set(seeded.await_settled().values()) == {"PROCESSED"}
            until(lambda: all(o.lag == 0 for o in offsets.read().values()) or None, "no lag")
            assert processor.stop() == 0
    finally:
        offsets.close()


@pytest.mark.parametrize("place", ["before-update", "before-commit"])
def test_orders_are_processed_once_after_a_kill_during_a_batch(seeded: SeededOrders, place: str) -> None:
    seeded.publish(seeded.store(1_000))

    with seeded.processor(CRASH_POINT=f"{place}:2") as dying:
        assert dying.await_exit() == -signal.SIGKILL
    died = time.monotonic()
    with seeded.processor() as processor:
        assert set(seeded.await_settled().values()) == {"PROCESSED"}
        processor.await_assignment()
        idle = time.monotonic() - died
        assert processor.stop() == 0

    seeded.assert_one_effect_each()
    # the broker notices the kill after 10 s; the time includes the start of the second process and its work
    assert idle <= 30


def test_partitions_of_a_killed_processor_are_soon_reassigned(seeded: SeededOrders) -> None:
    with seeded.processor() as one, seeded.processor() as other:
        seeded.publish(seeded.store(100))
        seeded.await_settled()
        until(lambda: all("partitions_assigned" in p.log.read_text() for p in (one, other)) or None, "two members")
        one.kill()
        died = time.monotonic()
        seeded.publish(seeded.store(100))
        seeded.await_settled()
        idle = time.monotonic() - died
        assert other.stop() == 0

    assert idle <= 20
    seeded.assert_one_effect_each()


@pytest.mark.parametrize("part", ["mongodb-0", "kafka-0"])
def test_processor_waits_during_an_outage_and_stops_cleanly(seeded: SeededOrders, part: str) -> None:
    buried = len(seeded.letters())
    ids = seeded.store(50)
    with seeded.processor() as stopped, seeded.processor() as processor:
        seeded.publish(seeded.store(50))
        until(lambda: seeded.count("PROCESSED") == 50, "the first ones")
        if part == "kafka-0":
            seeded.publish(ids)
            seeded.await_settled()
        seeded.stack.stop(part)
        try:
            if part == "mongodb-0":
                _publish_blindly(seeded, ids)
            until(lambda: not processor.is_ready(), "the processor to be unready", seconds=60)
            began = time.monotonic()
            assert stopped.stop() == 0
            assert time.monotonic() - began < 30
        finally:
            seeded.stack.start(part)
        assert set(seeded.await_settled(seconds=90).values()) == {"PROCESSED"}
        until(processor.is_ready, "readiness", seconds=60)
        seeded.publish(seeded.store(10))
        assert set(seeded.await_settled(seconds=90).values()) == {"PROCESSED"}
        assert processor.stop() == 0

    seeded.assert_one_effect_each()
    assert len(seeded.letters()) == buried


def _publish_blindly(seeded: SeededOrders, ids: list[str]) -> None:
    """Publish the events of orders without reading the orders from MongoDB."""
    now = datetime.now(UTC)
    for order_id in ids:
        event = events.OrderPlaced(order_id, seeded.user, "12.50", "USD", [events.Item("apple")], now)
        seeded.send(*events.encode(event))
    seeded.flush()
