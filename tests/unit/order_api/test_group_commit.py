"""Group commit: which orders share a write, and that no order is lost."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bson.errors import InvalidDocument
from pymongo.errors import PyMongoError

from order_api.group_commit import GroupCommit
from order_api.shared_call import BATCH, NotSent
from support.group_commit import requests


class UnevenCollection:
    """A collection whose writes take between 0 and 30 ms, depending on the id of the first order."""

    def __init__(self) -> None:
        self.stored: list[str] = []

    def insert_one(self, document: dict[str, Any]) -> None:
        self.insert_many([document], ordered=False)

    def insert_many(self, documents: Sequence[dict[str, Any]], *, ordered: bool) -> None:
        assert not ordered
        time.sleep(int(documents[0]["_id"]) % 7 / 200)
        self.stored += [document["_id"] for document in documents]


def test_single_request_writes_its_order_alone() -> None:
    with requests() as made:
        made.start("a")
        made.collection.let_through()

        assert made.error("a") is None
        assert made.collection.writes == [["a"]]


def test_requests_that_arrive_during_a_write_share_the_next_one() -> None:
    with requests() as made:
        made.start("a", "b", "c", "d")
        made.collection.let_through(2)

        assert [made.error(order_id) for order_id in "abcd"] == [None] * 4
        assert made.collection.writes[0] == ["a"]
        assert [sorted(ids) for ids in made.collection.writes[1:]] == [["b", "c", "d"]]


def test_newest_request_leads_the_next_write() -> None:
    """Of all waiting requests, the newest has the most time left until its limit."""
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.let_through(2)

        assert made.error("b") is None
        assert made.collection.writes[1][0] == "c"


def test_large_group_is_split_into_bounded_writes() -> None:
    ids = [f"{number:03}" for number in range(BATCH + 6)]
    with requests() as made:
        made.start(*ids)
        made.finish()

        assert [made.error(order_id) for order_id in ids] == [None] * len(ids)
        assert [len(written) for written in made.collection.writes] == [1, BATCH, 5]
        assert made.collection.stored == set(ids)


def test_write_that_cannot_be_encoded_is_split_into_single_inserts() -> None:
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.error = InvalidDocument("cannot encode object")
        made.finish()

        assert [made.error(order_id) for order_id in "abc"] == [None] * 3


def test_no_order_is_lost_or_stored_twice_under_load() -> None:
    """Each confirmed order is stored once, and no order that was reported as not sent is stored."""
    collection: Any = UnevenCollection()
    stored = collection.stored
    made = GroupCommit(collection, seconds=0.02)
    told: dict[str, str] = {}

    def place(number: int) -> None:
        order_id = str(number)
        try:
            made.insert({"_id": order_id})
        except NotSent:
            told[order_id] = "not sent"
        except PyMongoError:
            told[order_id] = "unknown"
        else:
            told[order_id] = "stored"

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(place, range(2_000)))

    assert len(told) == 2_000
    assert len(stored) == len(set(stored))
    assert {i for i, outcome in told.items() if outcome == "stored"} <= set(stored)
    assert not {i for i, outcome in told.items() if outcome == "not sent"} & set(stored)
    made.insert({"_id": "0"})
    assert not made._writes._is_calling
