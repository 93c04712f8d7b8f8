"""Hashes, and the bound on hashing."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from auth_api.app import login_slots
from auth_api.passwords import Busy, Passwords, Slots
from support.auth_api import CHEAP, WAITERS, settings
from support.wait import until


def test_hash_uses_argon2id_with_19_mib_and_2_passes() -> None:
    stored = Passwords().hash("secret password")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_password_matches_only_its_own_hash() -> None:
    passwords = Passwords(**CHEAP)
    stored = passwords.hash("secret password")

    assert passwords.verify(stored, "secret password")
    assert not passwords.verify(stored, "another password")
    assert not passwords.verify(stored, "secret password\0")


def test_hash_with_old_parameters_is_outdated() -> None:
    stored = Passwords(**CHEAP).hash("secret password")

    assert Passwords(memory_kib=16, passes=1).is_outdated(stored)
    assert not Passwords(**CHEAP).is_outdated(stored)


def test_verifying_an_unknown_user_costs_one_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(**CHEAP)
    verify = Mock(wraps=passwords._hasher.verify)
    monkeypatch.setattr(type(passwords._hasher), "verify", verify)

    assert not passwords.verify(None, "secret password")
    ((stored, _),) = [call.args for call in verify.call_args_list]
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")


class Crowd:
    """Threads that wait for a slot and keep it until the test releases them."""

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


def test_calls_beyond_slots_and_waiters_are_rejected_immediately() -> None:
    crowd = Crowd(Slots(2, waiters=WAITERS, wait=10), size=2 + WAITERS + 5)
    until(lambda: sum(outcome.done() for outcome in crowd.outcomes) == 5, "the five beyond the waiters", every=0.01)
    crowd.leave.set()

    assert crowd.rejected() == 5
    assert crowd.most == 2


def test_number_of_waiters_is_configurable() -> None:
    slots = Slots(1, waiters=0)
    with slots.hold(), pytest.raises(Busy), slots.hold():
        pass


@pytest.mark.parametrize(("hash_slots", "hashing"), [("2", 2), ("64", 12)])
def test_logins_leave_a_quarter_of_the_threads_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hash_slots: str, hashing: int
) -> None:
    slots = login_slots(settings(tmp_path, HTTP_THREADS="16", HASH_SLOTS=hash_slots))
    monkeypatch.setattr(slots, "_wait", 10)
    crowd = Crowd(slots, size=16, preferred=True)
    until(lambda: sum(outcome.done() for outcome in crowd.outcomes) == 4, "those beyond the places", every=0.01)
    until(lambda: crowd.inside == hashing, "the others", every=0.01)
    crowd.leave.set()

    assert crowd.rejected() == 4
    assert crowd.most == hashing


def test_preferred_waiter_gets_the_next_slot_and_a_reserved_place() -> None:
    slots = Slots(1, waiters=4, reserved=2, wait=10)
    order: list[str] = []
    enter = threading.Event()

    def visit(name: str) -> None:
        with slots.hold(preferred=name == "preferred"):
            order.append(name)
            enter.wait(10)

    with ThreadPoolExecutor(5) as pool:
        pool.submit(visit, "first")
        until(lambda: order == ["first"], "the first", every=0.01)
        strangers = [pool.submit(visit, "stranger") for _ in range(2)]
        until(lambda: slots.in_use() == 3, "two to wait", every=0.01)
        with pytest.raises(Busy):
            visit("stranger")
        preferred = pool.submit(visit, "preferred")
        until(lambda: slots.in_use() == 4, "one more to wait", every=0.01)
        enter.set()
        for visitor in [*strangers, preferred]:
            visitor.result(10)

    assert order == ["first", "preferred", "stranger", "stranger"]
    assert slots.in_use() == 0


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


STORM = """
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from auth_api.passwords import Passwords

def resident_mib():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

passwords = Passwords(threads=2)
stored = passwords.hash("a password")
before = resident_mib()
with ThreadPoolExecutor(16) as clients:
    assert not any(clients.map(lambda _: passwords.verify(stored, "another password"), range(96)))
    print(resident_mib() - before)
"""


def test_memory_stays_bounded_after_many_parallel_logins() -> None:
    """16 client threads with an arena each keep 300 MiB; two hashing threads keep 19 MiB each, or none."""
    command = [sys.executable, "-c", STORM]
    kept = float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)

    assert kept < 3 * 19 + 10, f"{kept:.0f} MiB stay resident"


def test_held_slots_are_counted() -> None:
    slots = Slots(2, waiters=1)
    with slots.hold():
        during = slots.in_use()

    assert (during, slots.in_use()) == (1, 0)
