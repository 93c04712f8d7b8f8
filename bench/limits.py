"""Measures single steps of placing an order, without HTTP: `python -m bench.limits insert_one SECONDS`.

It prints one line, which bench.measure reads: RESULT, then JSON with the number of orders or events and the seconds.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pymongo import MongoClient

from bench.peers import common

THREADS = 32
BATCH = 16  # the usual number of orders in one write of order-api at 32 connections
BODY = {"userid": "bench", "cost": "12.50", "orderitems": [{"item": "tea", "quantity": 2}, "a biscuit"]}


def insert_one(seconds: float) -> int:
    """Insert single documents in 32 threads; return how many were inserted."""
    orders = MongoClient(**common.MONGO).bench.limit_orders
    return _in_threads(lambda: _insert(orders, 1), seconds)


def insert_many(seconds: float) -> int:
    """Insert batches of BATCH documents in one thread; return how many documents were inserted."""
    orders = MongoClient(**common.MONGO).bench.limit_orders
    return _repeat(lambda: _insert(orders, BATCH), time.monotonic() + seconds)


def produce(seconds: float) -> int:
    """Produce events in one thread, as fast as Kafka confirms them; return how many were produced."""
    producer = common.producer()

    def some() -> int:
        for _ in range(1000):
            document = common.order(BODY)
            producer.produce(common.TOPIC, key=document["_id"], value=json.dumps(common.answer(document)))
        producer.flush(10)
        return 1000

    return _repeat(some, time.monotonic() + seconds)


LIMITS: dict[str, Callable[[float], int]] = {"insert_one": insert_one, "insert_many": insert_many, "produce": produce}


def _insert(orders: Any, count: int) -> int:
    documents = [common.order(BODY) for _ in range(count)]
    orders.insert_many(documents, ordered=False) if count > 1 else orders.insert_one(documents[0])
    return count


def _repeat(work: Callable[[], int], until: float) -> int:
    done = 0
    while time.monotonic() < until:
        done += work()
    return done


def _in_threads(work: Callable[[], int], seconds: float) -> int:
    counts: list[int] = []
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=lambda: counts.append(_repeat(work, until))) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def main() -> None:
    """Measure the step that the arguments name, for as many seconds as they say, and print the result."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    started = time.monotonic()
    count = LIMITS[name](seconds)
    print("RESULT " + json.dumps({"requests": count, "seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main()
