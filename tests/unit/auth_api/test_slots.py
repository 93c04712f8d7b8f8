"""The limit on concurrent hashing, and who gets the next slot."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from auth_api.accounts import Registration
from auth_api.app import login_slots, utc_now
from auth_api.passwords import Passwords
from auth_api.registration import Registrar
from auth_api.slots import AddressBusy, AddressShare, Busy, Slots
from auth_api.throttle import RegistrationLimit, Throttle
from fakes.auth import FakeFailures, FakeUsers
from support.auth_api import CHEAP, PASSWORD, WAITERS, settings
from support.wait import until


class Crowd:
    """Threads that each ask for a slot and keep it until `leave` is set; `most` is the highest number of slots held."""

    def __init__(self, slots: Slots, size: int, *, preferred: bool = False) -> None:
        self.slots, self.preferred = slots, preferred
        self.leave = threading.Event()
        self.most = self.inside = 0
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(size)
        self.outcomes = [self.pool.submit(self._visit) for _ in range(size)]

    def _visit(self) -> bool:
        try:
            with self.slots.hold(preferred=self.preferred):
                with self.lock:
                    self.inside += 1
                    self.most = max(self.most, self.inside)
                self.leave.wait(10)
                with self.lock:
                    self.inside -= 1
                return True
        except Busy:
            return False

    def rejected(self) -> int:
        return sum(not outcome.result(20) for outcome in self.outcomes)


def test_calls_beyond_slots_and_waiters_are_rejected_without_waiting() -> None:
    crowd = Crowd(Slots(2, waiters=WAITERS, wait=10), size=2 + WAITERS + 5)
    until(
        lambda: sum(outcome.done() for outcome in crowd.outcomes) == 5,
        "the five calls without a waiting place to be rejected",
        every=0.01,
    )
    crowd.leave.set()

    assert crowd.rejected() == 5
    assert crowd.most == 2


def test_second_call_is_rejected_if_no_waiters_are_allowed() -> None:
    slots = Slots(1, waiters=0)
    with slots.hold(), pytest.raises(Busy), slots.hold():
        pass


@pytest.mark.parametrize(("hash_slots", "hashing"), [("2", 2), ("64", 12)])
def test_logins_leave_a_quarter_of_the_http_threads_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hash_slots: str, hashing: int
) -> None:
    slots = login_slots(settings(tmp_path, HTTP_THREADS="16", HASH_SLOTS=hash_slots))
    monkeypatch.setattr(slots, "_wait", 10)
    crowd = Crowd(slots, size=16, preferred=True)
    until(
        lambda: sum(outcome.done() for outcome in crowd.outcomes) == 4,
        "the four calls without a waiting place to be rejected",
        every=0.01,
    )
    until(lambda: crowd.inside == hashing, "the other calls to get a slot", every=0.01)
    crowd.leave.set()

    assert crowd.rejected() == 4
    assert crowd.most == hashing


class Queue:
    """A single slot that a first caller holds until `order` is called, and the callers that wait for it."""

    def __init__(self, waiters: int) -> None:
        self.slots = Slots(1, waiters=waiters, wait=10)
        self.entered: list[str] = []
        self.leave = threading.Event()
        self.pool = ThreadPoolExecutor(waiters + 2)
        self.visits: dict[str, Future[bool]] = {}
        self.arrive("first", "")
        until(lambda: self.entered == ["first"], "the first caller to get the slot", every=0.01)

    def arrive(self, name: str, address: str, *, preferred: bool = False) -> None:
        """Start a thread that asks for the slot; return once the thread waits or is rejected."""
        before = self._decided()
        self.visits[name] = self.pool.submit(self._visit, name, address, preferred)
        until(lambda: self._decided() > before, f"{name} to wait", every=0.01)

    def _visit(self, name: str, address: str, preferred: bool) -> bool:
        try:
            with self.slots.hold(address, preferred=preferred):
                self.entered.append(name)
                self.leave.wait(10)
        except Busy:
            return False
        return True

    def _decided(self) -> int:
        return self.slots.in_use() + len(self.rejected())

    def rejected(self) -> list[str]:
        """Return the names of the callers that have been rejected so far."""
        return [name for name, visit in self.visits.items() if visit.done() and not visit.result()]

    def order(self) -> list[str]:
        """Free the slot; return the names of the waiting callers in the order in which they got it."""
        self.leave.set()
        for visit in self.visits.values():
            visit.result(10)
        self.pool.shutdown()
        return self.entered[1:]


def test_address_served_just_now_waits_behind_one_served_earlier() -> None:
    slots = Slots(1, waiters=3, wait=10)
    entered: list[str] = []
    leave = {name: threading.Event() for name in ("b1", "b2", "a1", "a2")}

    def visit(name: str) -> None:
        with slots.hold(address=name[0]):
            entered.append(name)
            leave[name].wait(10)

    with ThreadPoolExecutor(len(leave)) as pool:

        def arrive(name: str) -> None:
            before = slots.in_use()
            pool.submit(visit, name)
            until(lambda: slots.in_use() > before, f"{name} to hold or wait", every=0.01)

        for name in ("b1", "b2", "a1"):
            arrive(name)
        leave["b1"].set()
        until(lambda: entered == ["b1", "a1"], "a1 to get the slot", every=0.01)
        arrive("a2")
        leave["a1"].set()
        until(lambda: len(entered) == 3, "the next to get the slot", every=0.01)
        for event in leave.values():
            event.set()

    assert entered == ["b1", "a1", "b2", "a2"]


def test_preferred_caller_enters_next_and_displaces_the_latest_stranger() -> None:
    queue = Queue(waiters=2)
    queue.arrive("stranger", "a")
    queue.arrive("late stranger", "b")
    queue.arrive("preferred", "c", preferred=True)

    assert queue.rejected() == ["late stranger"]
    assert queue.order() == ["preferred", "stranger"]
    assert queue.slots.in_use() == 0


@pytest.mark.parametrize("preferred", [True, False])
def test_address_with_many_callers_does_not_block_other_addresses(preferred: bool) -> None:
    queue = Queue(waiters=3)
    for number in range(3):
        queue.arrive(f"greedy {number}", "a", preferred=preferred)
    queue.arrive("modest", "b", preferred=preferred)
    queue.arrive("another greedy one", "a", preferred=preferred)

    assert queue.rejected() == ["greedy 2", "another greedy one"]
    assert queue.order() == ["greedy 0", "modest", "greedy 1"]


def test_stranger_never_displaces_a_preferred_caller() -> None:
    queue = Queue(waiters=1)
    queue.arrive("preferred", "a", preferred=True)
    queue.arrive("stranger", "b")

    assert queue.rejected() == ["stranger"]
    assert queue.order() == ["preferred"]


def test_waiter_that_times_out_is_rejected_and_frees_its_place() -> None:
    slots = Slots(1, waiters=WAITERS, wait=0.01)
    with slots.hold():
        for _ in range(WAITERS * 2):
            with pytest.raises(Busy), slots.hold():
                pass

    with slots.hold():
        pass


def test_slot_is_freed_after_an_error() -> None:
    slots = Slots(1, waiters=0, wait=0.01)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), slots.hold():
            raise ZeroDivisionError

    with slots.hold():
        pass


def test_held_slots_are_counted() -> None:
    slots = Slots(2, waiters=1)
    with slots.hold():
        during = slots.in_use()

    assert (during, slots.in_use()) == (1, 0)


def test_stranger_is_served_although_preferred_callers_keep_arriving() -> None:
    queue = Queue(waiters=4)
    queue.arrive("stranger", "a")
    for number in range(4):
        queue.arrive(f"preferred {number}", f"b{number}", preferred=True)

    assert queue.rejected() == ["preferred 3"]
    assert queue.order() == ["preferred 0", "preferred 1", "stranger", "preferred 2"]


def test_ipv6_network_counts_as_one_address_for_registrations() -> None:
    failures, share = FakeFailures(), AddressShare(1)
    registrar = Registrar(
        FakeUsers(),
        Passwords(**CHEAP),
        Slots(1, waiters=0),
        share,
        RegistrationLimit(failures, 300),
        Throttle(failures),
        utc_now,
    )
    with share.hold("2001:db8::/64"):
        with pytest.raises(AddressBusy):
            registrar.register(Registration("alice", PASSWORD), "2001:db8::2")
        registrar.register(Registration("alice", PASSWORD), "2001:db8:1::2")
