"""Limits on concurrent password hashing, shared fairly between clients' addresses."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

WAIT_SECONDS = 3.0
STRANGERS_TURN = 4  # every fourth slot goes to a waiter that is not preferred, if there is one


class Busy(Exception):  # noqa: N818 - a state, not a defect
    """No hashing slot became free in time, or all waiting places were taken; nothing was done."""


class _State(Enum):
    WAITING, GRANTED, DROPPED = auto(), auto(), auto()


@dataclass(eq=False)
class _Waiter:
    address: str
    preferred: bool
    state: _State = _State.WAITING


class Slots:
    """At most `count` concurrent holders; up to `waiters` more may wait, each for up to 3 s. Thread-safe.

    The next free slot goes to a `preferred` waiter; among several, to the address that holds the fewest slots, and then
    to the address that was served longest ago. If all places are taken when a caller arrives, the waiter that would be
    served last is rejected: the new caller or an earlier one. Preferred callers cannot shut out the other callers:
    every fourth slot goes to one of the others, and one of them keeps a place to wait if at least two may wait.
    """

    def __init__(self, count: int, *, waiters: int, wait: float = WAIT_SECONDS) -> None:
        self.count, self.places = count, count + waiters
        self._held: Counter[str] = Counter()  # the slots in use, by address
        self._grants = 0
        self._last_grant: dict[str, int] = {}  # of each address that holds or waits, the number of its last grant
        self._queue: list[_Waiter] = []  # in order of arrival
        self._changed = threading.Condition()
        self._wait = wait

    def in_use(self) -> int:
        """Return how many callers hold a slot or wait for one."""
        with self._changed:
            return self._held.total() + len(self._queue)

    @contextmanager
    def hold(self, address: str = "", *, preferred: bool = False) -> Iterator[None]:
        """Hold a slot for the block, or raise Busy."""
        with self._changed:
            self._acquire(_Waiter(address, preferred))
        try:
            yield
        finally:
            with self._changed:
                self._held -= Counter([address])
                self._grant()

    def _acquire(self, waiter: _Waiter) -> None:
        self._queue.append(waiter)
        self._grant()
        if self._held.total() + len(self._queue) > self.places:
            last = self._to_drop()
            self._queue.remove(last)
            last.state = _State.DROPPED
            self._changed.notify_all()
        try:
            self._changed.wait_for(lambda: waiter.state is not _State.WAITING, self._wait)
        finally:
            if waiter.state is _State.WAITING:
                self._queue.remove(waiter)
        if waiter.state is not _State.GRANTED:
            raise Busy

    def _grant(self) -> None:
        """Give the free slots to the waiters whose turn it is."""
        while self._queue and self._held.total() < self.count:
            turns = self._in_turn()
            is_strangers_turn = self._grants % STRANGERS_TURN == STRANGERS_TURN - 1
            first = min(turns, key=lambda waiter: waiter.preferred) if is_strangers_turn else turns[0]
            self._queue.remove(first)
            first.state = _State.GRANTED
            self._held[first.address] += 1
            self._grants += 1
            self._last_grant[first.address] = self._grants
        present = {waiter.address for waiter in self._queue} | {*self._held}
        self._last_grant = {address: grant for address, grant in self._last_grant.items() if address in present}
        self._changed.notify_all()

    def _to_drop(self) -> _Waiter:
        *others, last = self._in_turn()
        is_only_stranger = not last.preferred and all(waiter.preferred for waiter in others)
        return others[-1] if is_only_stranger and len(others) > 1 else last

    def _in_turn(self) -> list[_Waiter]:
        """Return the waiters in the order in which they get slots."""
        ahead = Counter(self._held)
        turns = []
        for arrival, waiter in enumerate(self._queue):
            address = waiter.address
            turns.append((not waiter.preferred, ahead[address], self._last_grant.get(address, 0), arrival))
            ahead[address] += 1
        return [self._queue[arrival] for *_, arrival in sorted(turns)]


class AddressBusy(Exception):  # noqa: N818 - a state, not a defect
    """The address already has its share of the requests in flight; nothing was done."""


class AddressShare:
    """At most `limit` concurrent requests of each address, so that one client cannot occupy all slots. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_flight: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, address: str) -> Iterator[None]:
        """Count the block as one request of the address, or raise AddressBusy."""
        with self._lock:
            if self._in_flight[address] >= self._limit:
                raise AddressBusy
            self._in_flight[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[address] -= 1
                if not self._in_flight[address]:
                    del self._in_flight[address]
