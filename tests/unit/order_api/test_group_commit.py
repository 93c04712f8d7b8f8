"""Group commit: who shares a write, whose error is whose, and what is certain when a request gives up."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from model.mutants import change
from order_api.group_commit import BATCH, GroupCommit, InsertNotSent
from support import wait

GIVE_UP_SECONDS = 0.2
PATIENCE = 30.0  # of a request, where it is not to give up
Check = Callable[[], None]


class SlowCollection:
    """A collection whose writes wait until they are let through, one by one, and then store or raise."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.stored: set[str] = set()
        self.error: BaseException | None = None
        self.details: dict[str, Any] = {}
        self._gate = threading.Semaphore(0)

    def insert_one(self, document: dict[str, Any]) -> None:
        self._write([document["_id"]])

    def insert_many(self, documents: Sequence[dict[str, Any]], *, ordered: bool) -> None:
        assert not ordered  # one error must not keep the others
        self._write([document["_id"] for document in documents])

    def let_through(self, writes: int = 1) -> None:
        self._gate.release(writes)

    def _write(self, ids: list[str]) -> None:
        self.writes.append(ids)
        assert self._gate.acquire(timeout=30)
        if self.error is not None and (len(ids) > 1 or not isinstance(self.error, InvalidDocument)):
            raise self.error
        if self.details and len(ids) > 1:
            failed = {entry["index"] for entry in self.details.get("writeErrors", [])}
            self.stored |= {order_id for index, order_id in enumerate(ids) if index not in failed}
            raise BulkWriteError(self.details)
        self.stored |= set(ids)


class HastyCollection:
    """A collection whose writes last from nothing to longer than a request waits."""

    def __init__(self) -> None:
        self.stored: list[str] = []

    def insert_one(self, document: dict[str, Any]) -> None:
        self.insert_many([document], ordered=False)

    def insert_many(self, documents: Sequence[dict[str, Any]], *, ordered: bool) -> None:
        assert not ordered
        time.sleep(int(documents[0]["_id"]) % 7 / 200)
        self.stored += [document["_id"] for document in documents]


class Requests:
    """Requests in threads of their own: the first one writes, the others wait for it."""

    def __init__(self, pool: ThreadPoolExecutor, *, seconds: float) -> None:
        self.collection = SlowCollection()
        anything: Any = self.collection
        self.commit = GroupCommit(anything, seconds=seconds)
        self._pool = pool
        self.outcomes: dict[str, Future[None]] = {}

    def start(self, *order_ids: str) -> None:
        """Start them one after the other, each when the one before writes or waits."""
        for order_id in order_ids:
            waiting = len(self.commit._queue)
            self.outcomes[order_id] = self._pool.submit(self.commit.insert, {"_id": order_id})
            wait.until(partial(self._has_begun, order_id, waiting), f"{order_id} to write or wait")

    def _has_begun(self, order_id: str, waiting: int) -> bool:
        return len(self.commit._queue) > waiting or [order_id] in self.collection.writes

    def error(self, order_id: str) -> BaseException | None:
        return self.outcomes[order_id].exception(timeout=30)

    def finish(self) -> None:
        self.collection.let_through(1_000)


@contextmanager
def requests(*, seconds: float | None = None) -> Iterator[Requests]:
    with ThreadPoolExecutor(BATCH + 8) as pool:
        made = Requests(pool, seconds=PATIENCE if seconds is None else seconds)
        try:
            yield made
        finally:
            made.finish()


def test_a_lone_request_writes_at_once() -> None:
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
    """It has the most time left for it."""
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.let_through(2)

        assert made.error("b") is None
        assert made.collection.writes[1][0] == "c"


def test_write_is_bounded_and_the_rest_follows() -> None:
    ids = [f"{number:03}" for number in range(BATCH + 6)]
    with requests() as made:
        made.start(*ids)
        made.finish()

        assert [made.error(order_id) for order_id in ids] == [None] * len(ids)
        assert [len(written) for written in made.collection.writes] == [1, BATCH, 5]
        assert made.collection.stored == set(ids)


def answered_only_when_confirmed() -> None:
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.let_through(1)
        wait.until(lambda: len(made.collection.writes) == 2, "the second write")

        assert made.error("a") is None
        assert not made.outcomes["b"].done()
        assert not made.outcomes["c"].done()


def error_is_only_for_the_order_concerned() -> None:
    with requests() as made:
        made.start("a", "b", "c", "d", "e")  # e leads, and b, c, d follow in their order
        made.collection.details = {
            "writeErrors": [
                {"index": 1, "code": 11000, "errmsg": "E11000 duplicate key"},
                {"index": 3, "code": 121, "errmsg": "Document failed validation"},
            ]
        }
        made.finish()

        assert isinstance(made.error("b"), DuplicateKeyError)
        refused = made.error("d")
        assert isinstance(refused, WriteError)
        assert refused.code == 121
        assert [made.error(order_id) for order_id in "ace"] == [None] * 3


def write_concern_error_leaves_the_others_unconfirmed() -> None:
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.details = {
            "writeErrors": [{"index": 1, "code": 11000, "errmsg": "E11000"}],
            "writeConcernErrors": [{"code": 64, "errmsg": "waiting for replication timed out"}],
        }
        made.finish()

        assert isinstance(made.error("b"), DuplicateKeyError)
        assert isinstance(made.error("c"), WriteConcernError)


def error_of_the_whole_write_reaches_everybody() -> None:
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.let_through()
        assert made.error("a") is None
        made.collection.error = NetworkTimeout("timed out")
        made.finish()

        assert isinstance(made.error("b"), NetworkTimeout)
        assert isinstance(made.error("c"), NetworkTimeout)


def test_document_that_cannot_be_encoded_does_not_keep_the_others() -> None:
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.error = InvalidDocument("cannot encode object")
        made.finish()

        assert [made.error(order_id) for order_id in "abc"] == [None] * 3


def request_that_gives_up_while_waiting_is_never_sent() -> None:
    with requests(seconds=GIVE_UP_SECONDS) as made:
        made.start("a", "b")
        given_up = made.error("b")
        made.start("c")
        made.finish()

        assert isinstance(given_up, InsertNotSent)
        assert made.error("a") is None
        assert made.error("c") is None
        assert "b" not in made.collection.stored


def request_that_gives_up_after_sending_does_not_know() -> None:
    with requests(seconds=GIVE_UP_SECONDS) as made:
        made.start("a", "b", "c")
        made.collection.let_through()
        wait.until(lambda: len(made.collection.writes) == 2, "the second write")
        given_up = made.error("b")

        assert isinstance(given_up, NetworkTimeout)
        assert not isinstance(given_up, InsertNotSent)


def leader_that_dies_leaves_nobody_waiting() -> None:
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.let_through()
        assert made.error("a") is None
        made.collection.error = SystemExit()
        made.collection.let_through()

        assert type(made.error("b")) is AutoReconnect  # at once, and so outcome-unknown
        assert isinstance(made.error("c"), SystemExit)
        made.collection.error = None
        made.start("d")
        made.finish()
        assert made.error("d") is None


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        answered_only_when_confirmed,
        error_is_only_for_the_order_concerned,
        write_concern_error_leaves_the_others_unconfirmed,
        error_of_the_whole_write_reaches_everybody,
        request_that_gives_up_while_waiting_is_never_sent,
        request_that_gives_up_after_sending_does_not_know,
        leader_that_dies_leaves_nobody_waiting,
    )
}
# What a group commit is most easily wrong in, each with the check that must notice it.
MUTANTS = {
    "answers before the write is confirmed": (
        change(GroupCommit._lead, ("    try:\n", "    [w.woken.release() for w in batch[1:]]\n    try:\n")),
        answered_only_when_confirmed,
    ),
    "gives one order's error to all": (
        change(GroupCommit._write, ("_own_errors(error.details or {}, len(documents))", "[error] * len(documents)")),
        error_is_only_for_the_order_concerned,
    ),
    "swallows an order's error": (
        change(GroupCommit._write, ("_own_errors(error.details or {}, len(documents))", "[None] * len(documents)")),
        error_is_only_for_the_order_concerned,
    ),
    "swallows the error of the whole write": (
        change(GroupCommit._write, ("[error] * len(documents)", "[error] + [None] * (len(documents) - 1)")),
        error_of_the_whole_write_reaches_everybody,
    ),
    "sends an order after saying that it was not sent": (
        change(GroupCommit._wait, ("self._queue.remove(waiter)", "pass")),
        request_that_gives_up_while_waiting_is_never_sent,
    ),
    "says that a sent order was not sent": (
        change(GroupCommit._wait, ("raise NetworkTimeout", "raise InsertNotSent")),
        request_that_gives_up_after_sending_does_not_know,
    ),
    "leaves the followers of a dead leader waiting": (
        change(GroupCommit._lead, ("for waiter in batch[1:]:", "for waiter in batch[1:] if None in errors else ():")),
        leader_that_dies_leaves_nobody_waiting,
    ),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_promise_of_the_group_commit(check: Check) -> None:
    check()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_of_the_group_commit_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch, check = MUTANTS[mutant]
    monkeypatch.setitem(globals(), "PATIENCE", 4.0)
    monkeypatch.setattr(Future, "exception", _impatient(Future.exception))
    with patch(), pytest.raises((AssertionError, TimeoutError)):
        check()


def _impatient(exception: Any) -> Any:
    return lambda future, timeout=None: exception(future, timeout=min(timeout or 1, 1))


def test_no_order_is_lost_or_doubled_under_random_load() -> None:
    """Threads, slow writes and impatient requests at once: whatever was confirmed is stored, and nothing twice."""
    collection: Any = HastyCollection()
    stored = collection.stored
    made = GroupCommit(collection, seconds=0.02)
    told: dict[str, str] = {}

    def place(number: int) -> None:
        order_id = str(number)
        try:
            made.insert({"_id": order_id})
        except InsertNotSent:
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
    assert not made._is_writing
