"""Group commit: which error each request gets, also if it gives up waiting.

Every check passes with the real code; each mutant makes its check fail.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, NetworkTimeout, WriteConcernError, WriteError

from model.mutants import change
from order_api.group_commit import GroupCommit
from order_api.shared_call import NotSent, SharedCall
from support import group_commit, wait
from support.group_commit import requests

GIVE_UP_SECONDS = 0.2
Check = Callable[[], None]


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
        made.start("a", "b", "c", "d", "e")  # the first write has a; the second has e, b, c, d
        made.collection.details = {
            "writeErrors": [
                {"index": 1, "code": 11000, "errmsg": "E11000 duplicate key"},
                {"index": 3, "code": 121, "errmsg": "Document failed validation"},
            ]
        }
        made.finish()

        assert isinstance(made.error("b"), DuplicateKeyError)
        rejected = made.error("d")
        assert isinstance(rejected, WriteError)
        assert rejected.code == 121
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


def request_that_gives_up_while_waiting_is_never_sent() -> None:
    with requests(seconds=GIVE_UP_SECONDS) as made:
        made.start("a", "b")
        given_up = made.error("b")
        made.start("c")
        made.finish()

        assert isinstance(given_up, NotSent)
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
        assert not isinstance(given_up, NotSent)


def leader_that_dies_leaves_nobody_waiting() -> None:
    with requests() as made:
        made.start("a", "b", "c")
        made.collection.let_through()
        assert made.error("a") is None
        made.collection.error = SystemExit()
        made.collection.let_through()

        # at once; if b were left waiting, it would get NetworkTimeout, a subclass of AutoReconnect
        assert type(made.error("b")) is AutoReconnect
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
# Likely mistakes in a group commit, each with the check that must catch it.
MUTANTS = {
    "answers before the write is confirmed": (
        change(SharedCall._lead, ("    try:\n", "    [w.woken.release() for w in batch[1:]]\n    try:\n")),
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
        change(SharedCall._wait, ("self._queue.remove(waiter)", "pass")),
        request_that_gives_up_while_waiting_is_never_sent,
    ),
    "says that a sent order was not sent": (
        change(SharedCall._wait, ("raise NetworkTimeout", "raise NotSent")),
        request_that_gives_up_after_sending_does_not_know,
    ),
    "leaves the followers of a dead leader waiting": (
        change(SharedCall._lead, ("for waiter in batch[1:]:", "for waiter in batch[1:] if None in results else ():")),
        leader_that_dies_leaves_nobody_waiting,
    ),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_group_commit_passes_every_check(check: Check) -> None:
    check()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_of_the_group_commit_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch, check = MUTANTS[mutant]
    monkeypatch.setattr(group_commit, "PATIENCE", 4.0)
    monkeypatch.setattr(Future, "exception", _impatient(Future.exception))
    with patch(), pytest.raises((AssertionError, TimeoutError)):
        check()


def _impatient(exception: Any) -> Any:
    return lambda future, timeout=None: exception(future, timeout=min(timeout or 1, 1))
