"""Calls that requests share; tests/unit/order_api/test_group_commit.py has the cases that concern writes, too."""

import time
from collections.abc import Sequence

import pytest
from pymongo.errors import AutoReconnect

from order_api.shared_call import SharedCall, _Waiter
from support import wait


def waiter(argument: str, *, age: float) -> _Waiter[str, str]:
    made: _Waiter[str, str] = _Waiter(argument)
    made.arrived = time.monotonic() - age
    return made


@pytest.mark.parametrize(("age", "served"), [(1.0, ["older", "newer"]), (21.0, ["older"])])
def test_leader_that_has_waited_for_half_its_time_serves_nobody_who_has_more(age: float, served: list[str]) -> None:
    shared: SharedCall[str, str] = SharedCall(lambda arguments: arguments, seconds=40.0)
    shared._queue.extend([waiter("older", age=age + 5), waiter("newer", age=age - 1)])

    assert [taken.argument for taken in shared._companions(waiter("leader", age=age))] == served


def test_function_that_returns_too_few_results_leaves_nobody_waiting() -> None:
    def forget_one(arguments: Sequence[str]) -> Sequence[str]:
        return arguments[1:]

    shared: SharedCall[str, str] = SharedCall(forget_one)
    for _ in range(2):  # the second call would wait for the first one, if that never ended
        with pytest.raises(ValueError, match="shorter"):
            shared.call("a")


def test_follower_of_such_a_call_raises_too() -> None:
    shared: SharedCall[str, str] = SharedCall(lambda arguments: arguments[1:])
    follower = waiter("b", age=0.0)
    shared._queue.append(follower)
    with pytest.raises(ValueError, match="shorter"):
        shared._lead(waiter("a", age=0.0))

    assert isinstance(follower.result, AutoReconnect)
    assert wait.until(lambda: follower.woken.acquire(blocking=False), "the follower to be woken")
