"""Calls to MongoDB that requests share: those that arrive while a call is in flight are served by the next one.

A call costs MongoDB and the driver about the same for one order as for twenty. So one request at a time, the leader,
makes the call for itself and for up to 63 requests that wait. When it returns, the newest waiting request leads the
next call. A request that arrives alone calls at once, as it would without sharing.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from pymongo.errors import AutoReconnect, NetworkTimeout, ServerSelectionTimeoutError

from shared.mongo import OPERATION_SECONDS

BATCH = 64  # requests that one call serves

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class NotSent(ServerSelectionTimeoutError):  # noqa: N818 - a state of the request
    """The request gave up while it waited for its turn: nothing was sent for it, and never will be."""


class _Waiter(Generic[Argument, Result]):
    """A request that waits for its result. The lock of the shared call guards every field except `woken`."""

    __slots__ = ("argument", "arrived", "is_done", "is_leader", "result", "woken")

    def __init__(self, argument: Argument) -> None:
        self.argument = argument
        self.arrived = time.monotonic()
        self.result: Result | Exception = AutoReconnect("the call was abandoned")
        self.is_done = self.is_leader = False
        self.woken = threading.Lock()
        self.woken.acquire()


class SharedCall(Generic[Argument, Result]):
    """Makes one call at a time for all requests that wait. Thread-safe."""

    def __init__(
        self,
        function: Callable[[Sequence[Argument]], Sequence[Result | Exception]],
        *,
        seconds: float = OPERATION_SECONDS,
    ) -> None:
        """`function` returns the result for each of 1 to BATCH arguments, or the exception that its request raises.

        `seconds` bounds the wait for a call that another request leads.
        """
        self._function = function
        self._seconds = seconds
        self._lock = threading.Lock()
        self._queue: deque[_Waiter[Argument, Result]] = deque()
        self._is_calling = False

    def call(self, argument: Argument) -> Result:
        """Return the result for this argument, or raise its exception.

        Also raise NotSent, or NetworkTimeout (sent, but no reply), if the call of another request takes too long.
        """
        waiter: _Waiter[Argument, Result] = _Waiter(argument)
        with self._lock:
            if self._is_calling:
                self._queue.append(waiter)
            else:
                self._is_calling = waiter.is_leader = True
        if not waiter.is_leader:
            self._wait(waiter)
        if waiter.is_leader:
            self._lead(waiter)
        if isinstance(waiter.result, Exception):
            raise waiter.result
        return waiter.result

    def _wait(self, waiter: _Waiter[Argument, Result]) -> None:
        """Wait until the result is there or this request must lead; raise if the wait is too long."""
        if waiter.woken.acquire(timeout=self._seconds):
            return
        with self._lock:
            if waiter.is_done:
                return
            if waiter.is_leader:  # this request was chosen as leader at the moment when it gave up
                self._promote()
            elif waiter in self._queue:
                self._queue.remove(waiter)
            else:
                raise NetworkTimeout("the call for this request was sent but not answered in time")
        raise NotSent("the request waited too long for another call, and nothing was sent for it")

    def _lead(self, leader: _Waiter[Argument, Result]) -> None:
        """Make the call for the leader and for waiting requests, give each its result, and choose the next leader."""
        with self._lock:
            batch = [leader, *self._companions(leader)]
        results: Sequence[Result | Exception] = [waiter.result for waiter in batch]
        try:
            returned = self._function([waiter.argument for waiter in batch])
            results = [result for _, result in zip(batch, returned, strict=True)]
        finally:
            with self._lock:
                for waiter, result in zip(batch, results, strict=True):
                    waiter.result, waiter.is_done = result, True
                self._promote()
            for waiter in batch[1:]:
                waiter.woken.release()

    def _companions(self, leader: _Waiter[Argument, Result]) -> Iterator[_Waiter[Argument, Result]]:
        """Take the requests out of the queue that the leader's call serves, too.

        The call ends when the leader's time is up: so a leader that has waited for long serves nobody with more time.
        """
        is_late = time.monotonic() - leader.arrived > self._seconds / 2
        for _ in range(BATCH - 1):
            if not self._queue or (is_late and self._queue[0].arrived > leader.arrived):
                return
            yield self._queue.popleft()

    def _promote(self) -> None:
        """Let the newest waiting request lead the next call, as it has the most time left."""
        if self._queue:
            leader = self._queue.pop()
            leader.is_leader = True
            leader.woken.release()
        else:
            self._is_calling = False
