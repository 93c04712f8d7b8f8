"""Throttling of logins and registrations, across all replicas.

An attempt to log in is counted before the password is checked. An address from which the user recently registered or
logged in is exempt from the limits that strangers can exhaust: nobody can lock a user out by guessing from elsewhere.
"""

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.http.client_address import limited_address

WINDOW = timedelta(minutes=5)
MAX_PER_USER_AND_ADDRESS = 10
MAX_PER_ADDRESS = 100
MAX_PER_USER = 100  # per user, from addresses that are new to that user
MAX_FROM_NEW_ADDRESSES = 1_000  # for all users together, against one password that is tried on many names
KNOWN_FOR = timedelta(days=30)  # after the registration or the last login from the address


class TooManyFailures(Exception):  # noqa: N818 - a state of the client
    """A limit on failed logins is reached; a retry makes sense after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many failed logins")
        self.retry_after = retry_after


class TooManyRegistrations(Exception):  # noqa: N818 - a state of the client
    """An address has tried to register too many users; a retry makes sense after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many registrations")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Limit:
    """At most `max_attempts` may be counted under `key` in the window."""

    key: str
    max_attempts: int


@dataclass(frozen=True)
class AttemptCount:
    """The attempts in the window under one key, as (id, time). `now` is the time of the read, by the same clock."""

    key: str
    attempts: Sequence[tuple[str, datetime]]
    now: datetime


class Failures(Protocol):
    """The store of attempts. A count covers the last 5 minutes; a key without attempts may have no count."""

    def read(self, keys: Sequence[str]) -> list[AttemptCount]:
        """Return the count of each key that has one."""

    def add(self, limits: Sequence[Limit], attempt: str) -> list[AttemptCount]:
        """Add the attempt, atomically per key, under each key that is below its limit; return the new counts."""

    def remove(self, keys: Sequence[str], attempt: str) -> None:
        """Remove the attempt from the count of each key."""

    def is_known(self, key: str) -> bool:
        """Return whether `remember` was called for the key in the last 30 days."""

    def remember(self, key: str) -> None:
        """Record a login or a registration under the key."""


@dataclass(frozen=True)
class Attempt:
    """An attempt that was counted under each of `keys`."""

    id: str
    keys: tuple[str, ...]


class Throttle:
    """Counts an attempt as failed before its password is checked, so that parallel guesses cannot exceed a limit.

    A caller reads `is_known` once per login and passes it to `check` and `begin`.
    """

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def is_known(self, user: str, address: str) -> bool:
        """Return whether the user was recently at the address, see `remember`."""
        return self._failures.is_known(_known_key(user, address))

    def check(self, user: str, address: str, *, is_known: bool) -> None:
        """Raise TooManyFailures if an attempt would be rejected now. Counts nothing."""
        max_attempts = {limit.key: limit.max_attempts for limit in limits_for(user, address, is_known=is_known)}
        counts = self._failures.read(list(max_attempts))
        _reject_if([count for count in counts if len(count.attempts) >= max_attempts[count.key]])

    def begin(self, user: str, address: str, *, is_known: bool) -> Attempt:
        """Count an attempt, or raise TooManyFailures."""
        limits = limits_for(user, address, is_known=is_known)
        attempt = Attempt(secrets.token_hex(8), tuple(limit.key for limit in limits))
        try:
            counts = self._failures.add(limits, attempt.id)
        except Exception:
            with suppress(Exception):  # the attempt may have been stored, although no password was checked
                self.discard(attempt)
            raise
        exceeded = _exceeded_counts(counts, attempt.id)
        if exceeded:
            self.discard(attempt)
        _reject_if(exceeded)
        return attempt

    def remember(self, user: str, address: str) -> None:
        """Record that the user logged in or registered from the address."""
        self._failures.remember(_known_key(user, address))

    def discard(self, attempt: Attempt) -> None:
        """Remove an attempt from the counts: it was not a failed login."""
        self._failures.remove(attempt.keys, attempt.id)


class RegistrationLimit:
    """Limits how often an address may try to register a user in 5 minutes, across all replicas."""

    def __init__(self, failures: Failures, max_registrations: int) -> None:
        self._failures = failures
        self._max = max_registrations

    def count(self, address: str) -> None:
        """Count a registration, or raise TooManyRegistrations."""
        attempt = secrets.token_hex(8)
        counts = self._failures.add([Limit(_key("registration", limited_address(address)), self._max)], attempt)
        exceeded = _exceeded_counts(counts, attempt)
        if exceeded:
            raise TooManyRegistrations(max(map(_seconds_until_free, exceeded)))


def limits_for(user: str, address: str, *, is_known: bool = False) -> tuple[Limit, ...]:
    """Return the limits that apply to an attempt; fewer if the user is known at this address, see `remember`.

    Keys are hashes: they have a fixed length, and contain no names or addresses.
    """
    limited = limited_address(address)
    limits = (
        Limit(_key("user and address", user, limited), MAX_PER_USER_AND_ADDRESS),
        Limit(_key("address", limited), MAX_PER_ADDRESS),
    )
    if is_known:
        return limits
    return (*limits, Limit(_key("user", user), MAX_PER_USER), Limit(_key("new addresses"), MAX_FROM_NEW_ADDRESSES))


def _known_key(user: str, address: str) -> str:
    return _key("known", user, limited_address(address))


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _exceeded_counts(counts: list[AttemptCount], attempt: str) -> list[AttemptCount]:
    """Return the counts to which the attempt was not added, because their limit is reached."""
    return [count for count in counts if all(id_ != attempt for id_, _ in count.attempts)]


def _reject_if(exceeded: list[AttemptCount]) -> None:
    if exceeded:
        raise TooManyFailures(max(map(_seconds_until_free, exceeded)))


def _seconds_until_free(count: AttemptCount) -> float:
    oldest = min((at for _, at in count.attempts), default=count.now - WINDOW)
    return (oldest + WINDOW - count.now).total_seconds()
