"""Password hashes (Argon2id), and the bound on how much hashing goes on at one time."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

# OWASP's minimum for Argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
WAIT_SECONDS = 1.0


class Busy(Exception):  # noqa: N818 - the state that it tells
    """No slot for hashing came free in time; nothing was done."""


class Slots:
    """At most `count` holders at one time; so many more as `waiters` may wait up to 1 s. Safe for threads."""

    def __init__(self, count: int, *, waiters: int, wait: float = WAIT_SECONDS) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._places = threading.BoundedSemaphore(count + waiters)
        self._wait = wait

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold a slot for the block, or raise Busy."""
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            if not self._free.acquire(timeout=self._wait):
                raise Busy
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._places.release()


class Passwords:
    """Makes and checks hashes. Every call costs one hash of CPU time: hold a slot around it."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES, type=Type.ID)
        self._nobodys = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """Return the hash to store."""
        return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Tell whether the password is that of the stored hash; for an absent user (None): False, at the same cost."""
        try:
            self._hasher.verify(self._nobodys if stored is None else stored, password)
        except VerifyMismatchError:
            return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)
