"""Password hashes (Argon2id), and the limit on concurrent hashing."""

import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

# OWASP's minimum for Argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
WAIT_SECONDS = 1.0


class Busy(Exception):  # noqa: N818 - a state, not a defect
    """No hashing slot became free in time; nothing was done."""


class Slots:
    """At most `count` concurrent holders; up to `waiters` more may wait, each for up to 1 s. Thread-safe.

    A `preferred` caller gets the next free slot; of the waiting places, `reserved` are for such callers only.
    """

    def __init__(self, count: int, *, waiters: int, reserved: int = 0, wait: float = WAIT_SECONDS) -> None:
        self.count, self.places = count, count + waiters
        self._waiters = {True: waiters, False: waiters - reserved}
        self._waiting = {True: 0, False: 0}  # number of waiters, by `preferred`
        self._held = 0
        self._changed = threading.Condition()
        self._wait = wait

    def in_use(self) -> int:
        """Return how many callers hold a slot or wait for one."""
        with self._changed:
            return self._held + sum(self._waiting.values())

    @contextmanager
    def hold(self, *, preferred: bool = False) -> Iterator[None]:
        """Hold a slot for the block, or raise Busy."""
        with self._changed:
            self._acquire(preferred=preferred)
        try:
            yield
        finally:
            with self._changed:
                self._held -= 1
                self._changed.notify_all()

    def _acquire(self, *, preferred: bool) -> None:
        if not self._is_free(preferred=preferred):
            if sum(self._waiting.values()) >= self._waiters[preferred]:
                raise Busy
            self._waiting[preferred] += 1
            try:
                if not self._changed.wait_for(lambda: self._is_free(preferred=preferred), self._wait):
                    raise Busy
            finally:
                self._waiting[preferred] -= 1
                self._changed.notify_all()  # others may now get the slot that this caller waited for
        self._held += 1

    def _is_free(self, *, preferred: bool) -> bool:
        return self._held < self.count and (preferred or not self._waiting[True])


class UnusableHash(Exception):  # noqa: N818 - a state of the record
    """The value stored for the user is not an Argon2 hash: no password matches it."""


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


class Passwords:
    """Creates and verifies hashes. Each call uses the CPU time of one hash: hold a slot around the call. Thread-safe.

    Only this object's own `threads` compute hashes, whichever thread calls: glibc keeps the 19 MiB of a hash for every
    thread that has ever hashed, so 16 request threads kept 300 MiB after many logins at once.
    """

    def __init__(self, *, threads: int = 1, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        """`threads` is the number of slots that callers hold. Create it after the fork."""
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES, type=Type.ID)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hash")
        self._unknown_user = self.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """Return the hash to store."""
        return self._pool.submit(self._hasher.hash, password).result()

    def verify(self, stored: str | None, password: str) -> bool:
        """Return whether the password matches the stored hash. For an unknown user (None) return False.

        Raise UnusableHash for anything that is not an Argon2 hash. Every case takes the same time.
        """
        try:
            self._pool.submit(self._hasher.verify, self._unknown_user if stored is None else stored, password).result()
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            self.hash(password)
            raise UnusableHash from None
        return stored is not None

    def close(self) -> None:
        """Stop the threads after the hashes in progress."""
        self._pool.shutdown()

    def is_outdated(self, stored: str) -> bool:
        """Return whether the hash was created with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)
