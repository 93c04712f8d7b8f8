"""Password hashes (Argon2id)."""

import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

# OWASP's minimum for Argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1


class UnusableHash(Exception):  # noqa: N818 - a state of the record
    """The value stored for the user is not an Argon2 hash: no password matches it."""


class Passwords:
    """Creates and verifies hashes. Each call uses the CPU time of one hash: hold a slot around the call. Thread-safe.

    Hashes are computed in this object's own threads, not in the thread that calls: glibc keeps the 19 MiB of a hash
    for every thread that has ever computed one, so 16 request threads would keep 300 MiB.
    """

    def __init__(self, *, threads: int = 1, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        """`threads` is how many hashes are computed at once. Create the object after the fork."""
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
        except (InvalidHashError, VerificationError, UnicodeEncodeError):  # the last: the stored text is not ASCII
            self.hash(password)
            raise UnusableHash from None
        return stored is not None

    def close(self) -> None:
        """Stop the threads after the hashes in progress."""
        self._pool.shutdown()

    def is_outdated(self, stored: str) -> bool:
        """Return whether the hash was created with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)
