"""Measures single steps of an order without HTTP: `python -m bench.limits insert_one SECONDS`.

It prints one line, which bench.measure reads: RESULT, then JSON with the number of orders or events, the seconds and
its own CPU time.
A step of BACKLOG_STEPS works off the orders that bench.backlog has inserted in the database bench_limits.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from pymongo import MongoClient
from pymongo.collection import Collection

from bench.contenders import ORDER, THREADS
from bench.peers import common
from order_api import orders as rules
from shared.ordering import events, outbox_entry

DATABASE = "bench_limits"
BACKLOG_STEPS = ("bulk_update", "find_produce_remove")
BATCH = 16  # the usual number of orders in one write of order-api at 32 connections
BULK = 500  # the largest number of orders in one update of order-processor and of the relay
FLUSH_SECONDS = 10.0
FIRST_MESSAGE_SECONDS = 20.0
Count = int
Seconds = float
Orders = Collection[dict[str, Any]]


def insert_one(seconds: float) -> tuple[Count, Seconds]:
    """Insert single documents in as many threads as order-api has."""
    orders = _client().bench.limit_orders
    counts: list[int] = []

    def insert() -> None:
        counts.append(_repeat(lambda: _insert(orders, 1), seconds)[0])

    started = time.monotonic()
    threads = [threading.Thread(target=insert) for _ in range(int(THREADS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.monotonic() - started


def insert_many(seconds: float) -> tuple[Count, Seconds]:
    """Insert batches of BATCH documents in one thread."""
    orders = _client().bench.limit_orders
    return _repeat(lambda: _insert(orders, BATCH), seconds)


def produce(seconds: float) -> tuple[Count, Seconds]:
    """Produce events in one thread, as fast as Kafka confirms them."""
    producer = common.producer()

    def some() -> int:
        for _ in range(1000):
            document = common.order(ORDER)
            producer.produce(common.TOPIC, key=document["_id"], value=json.dumps(common.answer(document)))
        if left := producer.flush(FLUSH_SECONDS):
            raise TimeoutError(f"Kafka has not confirmed {left} events after {FLUSH_SECONDS:.0f} s")
        return 1000

    return _repeat(some, seconds)


def consume(seconds: float) -> tuple[Count, Seconds]:
    """Read the peers' events from the beginning of the topic, and do nothing with them."""
    consumer = Consumer(_consumer_config())
    try:
        topic = consumer.list_topics(common.TOPIC, timeout=FLUSH_SECONDS).topics[common.TOPIC]
        consumer.assign([TopicPartition(common.TOPIC, number, OFFSET_BEGINNING) for number in topic.partitions])
        count = len(consumer.consume(1, FIRST_MESSAGE_SECONDS))
        started = ended = time.monotonic()
        while ended < started + seconds:
            messages = consumer.consume(BULK, 1.0)
            if not messages:
                break  # the end of the topic
            count, ended = count + len(messages), time.monotonic()
        return count, ended - started
    finally:
        consumer.close()


def bulk_update(seconds: float) -> tuple[Count, Seconds]:
    """Mark orders as processed, as order-processor does, in updates of BULK orders."""
    orders = _client()[DATABASE].orders
    ids = [document["_id"] for document in orders.find({"status": "PLACED"}, {"_id": 1})]
    batches = iter([ids[start : start + BULK] for start in range(0, len(ids), BULK)])

    def update() -> int:
        batch = next(batches, [])
        at = datetime.now(UTC)
        entry = {"status": "PROCESSED", "at": at, "by": "bench", "reason": None}
        change = {
            "$set": {"status": "PROCESSED", "processed_at": at},
            "$inc": {"version": 1},
            "$push": {"history": entry},
            "$unset": {"outbox": ""},
        }
        return orders.update_many({"_id": {"$in": batch}, "status": "PLACED"}, change).modified_count if batch else 0

    return _repeat(update, seconds)


def find_produce_remove(seconds: float) -> tuple[Count, Seconds]:
    """Find orders with an outbox entry, publish their events, and remove the entries, BULK orders at a time."""
    orders = _client()[DATABASE].orders
    producer = common.producer()

    def publish() -> int:
        found = list(orders.find(outbox_entry.PENDING, {"history": 0}, limit=BULK))
        for document in found:
            key, value, headers = events.encode(rules.build_event(document))
            producer.produce(common.TOPIC, key=key, value=value, headers=dict(headers))
        if left := producer.flush(FLUSH_SECONDS):
            raise TimeoutError(f"Kafka has not confirmed {left} events after {FLUSH_SECONDS:.0f} s")
        ids = [document["_id"] for document in found]
        return orders.update_many({"_id": {"$in": ids}}, {"$unset": {"outbox": ""}}).modified_count if ids else 0

    return _repeat(publish, seconds)


LIMITS: dict[str, Callable[[float], tuple[Count, Seconds]]] = {
    "insert_one": insert_one,
    "insert_many": insert_many,
    "produce": produce,
    "consume": consume,
    "bulk_update": bulk_update,
    "find_produce_remove": find_produce_remove,
}


def _client() -> MongoClient[dict[str, Any]]:
    return MongoClient(**common.MONGO)


def _consumer_config() -> dict[str, Any]:
    producer_only = ("enable.idempotence", "compression.type", "linger.ms")
    shared = {name: value for name, value in common.KAFKA.items() if name not in producer_only}
    return shared | {"group.id": "bench-limits", "enable.auto.commit": False}


def _insert(orders: Orders, count: int) -> int:
    documents = [common.order(ORDER) for _ in range(count)]
    orders.insert_many(documents, ordered=False) if count > 1 else orders.insert_one(documents[0])
    return count


def _repeat(work: Callable[[], int], seconds: float) -> tuple[Count, Seconds]:
    """Call `work` until the time is over or it returns 0; return the sum of what it returned, and the time."""
    started = time.monotonic()
    done = 0
    while time.monotonic() < started + seconds and (count := work()):
        done += count
    return done, time.monotonic() - started


def main() -> None:
    """Measure the step that the arguments name, for as many seconds as they say, and print the result."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    before = time.process_time()
    count, took = LIMITS[name](seconds)
    cpu_seconds = time.process_time() - before
    print("RESULT " + json.dumps({"succeeded": count, "seconds": took, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    main()
