"""How many wrong passwords are taken: counted before each guess is checked, for all replicas together."""

import hashlib
import ipaddress
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

WINDOW = timedelta(minutes=5)
MOST_PER_USER_AND_ADDRESS = 10
MOST_PER_ADDRESS = 100
MOST_PER_USER = 100


class TooManyFailures(Exception):  # noqa: N818 - what happened
    """The limit is reached; the next attempt can be taken after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many failed logins")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Limit:
    """At most `most` attempts in the window under `key`."""

    key: str
    most: int


@dataclass(frozen=True)
class Tally:
    """The attempts in the window under one key, as (id, time), and the time of the reading, all by one clock."""

    key: str
    attempts: Sequence[tuple[str, datetime]]
    now: datetime


class Failures(Protocol):
    """Where attempts are kept. A tally holds those of the last 5 minutes, and may be absent where there are none."""

    def read(self, keys: Sequence[str]) -> list[Tally]:
        """Return what is kept under the keys."""

    def add(self, limits: Sequence[Limit], attempt: str) -> list[Tally]:
        """Add the attempt under each key that has fewer than its most, atomically by key; return all tallies after."""

    def remove(self, keys: Sequence[str], attempt: str) -> None:
        """Take the attempt away again."""


@dataclass(frozen=True)
class Attempt:
    """One guess that was counted."""

    id: str
    keys: tuple[str, ...]


class Throttle:
    """Counts an attempt as failed before its password is checked, so that guesses in parallel cannot pass the limit."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def check(self, user: str, address: str) -> None:
        """Raise TooManyFailures if an attempt would be refused now. Counts nothing."""
        limits = limits_for(user, address)
        most = {limit.key: limit.most for limit in limits}
        full = [t for t in self._failures.read(list(most)) if len(t.attempts) >= most[t.key]]
        _refuse_if(full)

    def begin(self, user: str, address: str) -> Attempt:
        """Count an attempt, or raise TooManyFailures."""
        limits = limits_for(user, address)
        attempt = Attempt(secrets.token_hex(8), tuple(limit.key for limit in limits))
        try:
            tallies = self._failures.add(limits, attempt.id)
        except Exception:
            with suppress(Exception):  # it may be counted, and was no guess
                self.forgive(attempt)
            raise
        full = [t for t in tallies if all(id_ != attempt.id for id_, _ in t.attempts)]
        if full:
            self.forgive(attempt)
        _refuse_if(full)
        return attempt

    def forgive(self, attempt: Attempt) -> None:
        """Take the attempt off the count: it did not fail."""
        self._failures.remove(attempt.keys, attempt.id)


def limits_for(user: str, address: str) -> tuple[Limit, ...]:
    """Return what an attempt counts against. Keys are hashes: of bounded length, and no list of who logs in from where.

    Of an IPv6 address the first 64 bits count, since one customer commonly has them all.
    """
    place = address
    with suppress(ValueError):
        ip = ipaddress.ip_address(address)
        if isinstance(ip, ipaddress.IPv6Address):
            place = str(ip.ipv4_mapped or ipaddress.IPv6Network((ip, 64), strict=False))
    return (
        Limit(_key("user and address", user, place), MOST_PER_USER_AND_ADDRESS),
        Limit(_key("address", place), MOST_PER_ADDRESS),
        Limit(_key("user", user), MOST_PER_USER),
    )


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _refuse_if(full: list[Tally]) -> None:
    if full:
        raise TooManyFailures(max(_seconds_until_free(tally) for tally in full))


def _seconds_until_free(tally: Tally) -> float:
    oldest = min((at for _, at in tally.attempts), default=tally.now - WINDOW)
    return (oldest + WINDOW - tally.now).total_seconds()
