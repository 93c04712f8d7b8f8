"""Requests that share a read of orders by their ids: which request an error concerns."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bson.errors import InvalidBSON
from prometheus_client import CollectorRegistry
from pymongo.errors import AutoReconnect

from fakes.mongo_client import FakeDatabase
from fakes.replica_set import ReplicaSet
from order_api.orders import Document
from order_api.store import OrderStore
from shared import mongo
from shared.resilience.breaker import Breaker
from shared.store import StoreUnavailable
from shared.telemetry.metrics import BreakerMetrics
from support import wait
from support.clock import Clock

IDS = [*"abcd"]


class Reads:
    """A store with an order for each of IDS. Its first read, of the order a, lasts until all others wait.

    `reads` has the ids of each read. If `error` is set, each read that finds the order `guilty` raises it; without one,
    each read of several orders.
    """

    def __init__(self) -> None:
        self.servers = ReplicaSet(Clock())
        self.servers.view = {order_id: {"_id": order_id, "userid": "alice"} for order_id in IDS}
        self.find, self.servers.find = self.servers.find, self._find  # type: ignore[method-assign]
        breaker = Breaker("mongodb", BreakerMetrics(CollectorRegistry()), is_failure=mongo.is_failure)
        database: Any = FakeDatabase(self.servers)
        self.store = OrderStore(database, breaker, breaker)
        self.reads: list[list[str]] = []
        self.guilty = ""
        self.error: Exception | None = None
        self._others_wait = threading.Event()

    def _find(self, query: Mapping[str, Any], *, local: bool) -> list[Document]:
        wanted = sorted(query["_id"]["$in"]) if isinstance(query["_id"], dict) else [query["_id"]]
        self.reads.append(wanted)
        if len(self.reads) == 1:
            assert self._others_wait.wait(30)
        found = self.find(query, local=local)
        if self.error and (self.guilty in [one["_id"] for one in found] if self.guilty else len(wanted) > 1):
            raise self.error
        return found

    def run(self, *users: str) -> list[str]:
        """Read all orders at once, each for its user; return for each its id, `none` or the name of the error."""
        user = dict(zip(IDS, users, strict=True)) if users else dict.fromkeys(IDS, "alice")

        def read(order_id: str) -> str:
            try:
                found = self.store.find(order_id, user[order_id])
            except StoreUnavailable as error:
                return type(error.__cause__).__name__
            return found["_id"] if found else "none"

        with ThreadPoolExecutor(len(IDS)) as pool:
            first = pool.submit(read, IDS[0])
            wait.until(lambda: self.reads, "the first read")
            others = [pool.submit(read, order_id) for order_id in IDS[1:]]
            wait.until(lambda: len(self.store._shared_read._queue) == len(others), "the others to wait")
            self._others_wait.set()
            return [future.result(30) for future in (first, *others)]


def test_requests_that_arrive_during_a_read_share_the_next_one() -> None:
    made = Reads()

    assert made.run() == IDS
    assert made.reads == [["a"], ["b", "c", "d"]]


def test_order_of_another_user_is_not_found_in_a_shared_read() -> None:
    made = Reads()

    assert made.run("bob", "alice", "bob", "bob") == ["none", "b", "none", "none"]


def test_order_that_cannot_be_decoded_hides_no_other() -> None:
    made = Reads()
    made.guilty, made.error = "c", InvalidBSON("not BSON")

    assert made.run() == ["a", "b", "InvalidBSON", "d"]


def test_order_of_another_user_that_cannot_be_decoded_is_not_found() -> None:
    made = Reads()
    made.guilty, made.error = "c", InvalidBSON("not BSON")

    assert made.run("alice", "alice", "bob", "alice") == ["a", "b", "none", "d"]


def test_error_of_the_server_reaches_every_request_of_the_read() -> None:
    made = Reads()
    made.error = AutoReconnect("connection reset")

    assert made.run() == ["a", *["AutoReconnect"] * 3]
    assert len(made.reads) == 2
