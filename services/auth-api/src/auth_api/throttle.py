"""Login throttling: attempts are counted before the password is checked, across all replicas."""

import hashlib
import ipaddress
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

WINDOW = timedelta(minutes=5)
MAX_PER_USER_AND_ADDRESS = 10
MAX_PER_ADDRESS = 100
MAX_PER_USER = 100


class TooManyFailures(Exception):  # noqa: N818 - a state of the client
    """A limit is reached; a retry makes sense after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many failed logins")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Limit:
    """At most `max_attempts` in the window under `key`."""

    key: str
    max_attempts: int


@dataclass(frozen=True)
class AttemptCount:
    """The attempts in the window under one key, as (id, time), and the time of the read, all by one clock."""

    key: str
    attempts: Sequence[tuple[str, datetime]]
    now: datetime


class Failures(Protocol):
    """Where attempts are stored. A count covers the last 5 minutes, and may be missing where it is zero."""

    def read(self, keys: Sequence[str]) -> list[AttemptCount]:
        """Return the counts of the keys."""

    def add(self, limits: Sequence[Limit], attempt: str) -> list[AttemptCount]:
        """Add the attempt under each key below its limit, atomically per key; return all counts afterwards."""

    def remove(self, keys: Sequence[str], attempt: str) -> None:
        """Remove the attempt under each key."""


@dataclass(frozen=True)
class Attempt:
    """One counted attempt."""

    id: str
    keys: tuple[str, ...]


class Throttle:
    """Counts an attempt as failed before its password is checked, so that parallel guesses cannot exceed a limit."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def check(self, user: str, address: str) -> None:
        """Raise TooManyFailures if an attempt would be rejected now. Counts nothing."""
        max_attempts = {limit.key: limit.max_attempts for limit in limits_for(user, address)}
        counts = self._failures.read(list(max_attempts))
        _reject_if([count for count in counts if len(count.attempts) >= max_attempts[count.key]])

    def begin(self, user: str, address: str) -> Attempt:
        """Count an attempt, or raise TooManyFailures."""
        limits = limits_for(user, address)
        attempt = Attempt(secrets.token_hex(8), tuple(limit.key for limit in limits))
        try:
            counts = self._failures.add(limits, attempt.id)
        except Exception:
            with suppress(Exception):  # the write may have landed although no password was tried
                self.discard(attempt)
            raise
        exceeded = [count for count in counts if all(id_ != attempt.id for id_, _ in count.attempts)]
        if exceeded:
            self.discard(attempt)
        _reject_if(exceeded)
        return attempt

    def discard(self, attempt: Attempt) -> None:
        """Remove an attempt from the counts: it did not fail."""
        self._failures.remove(attempt.keys, attempt.id)


def limits_for(user: str, address: str) -> tuple[Limit, ...]:
    """Return the limits that an attempt counts against.

    Keys are hashes: of fixed length, and without the names and addresses of those who log in. An IPv6 address counts
    by its first 64 bits, since one customer commonly has all of them.
    """
    place = address
    with suppress(ValueError):
        ip = ipaddress.ip_address(address)
        if isinstance(ip, ipaddress.IPv6Address):
            place = str(ip.ipv4_mapped or ipaddress.IPv6Network((ip, 64), strict=False))
    return (
        Limit(_key("user and address", user, place), MAX_PER_USER_AND_ADDRESS),
        Limit(_key("address", place), MAX_PER_ADDRESS),
        Limit(_key("user", user), MAX_PER_USER),
    )


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _reject_if(exceeded: list[AttemptCount]) -> None:
    if exceeded:
        raise TooManyFailures(max(map(_seconds_until_free, exceeded)))


def _seconds_until_free(count: AttemptCount) -> float:
    oldest = min((at for _, at in count.attempts), default=count.now - WINDOW)
    return (oldest + WINDOW - count.now).total_seconds()
