"""In-memory versions of auth-api's stores."""

import threading
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from auth_api.store import NameTaken
from auth_api.throttle import KNOWN_FOR, WINDOW, AttemptCount, Limit
from shared.key_records import KeyRecord


class FakeUsers:
    """The password hashes of users, by name. While `error` is set, every call raises it."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def add(self, name: str, password_hash: str, now: datetime) -> None:
        assert now.tzinfo is not None
        with self._lock:
            self._fail()
            if name in self.hashes:
                raise NameTaken
            self.hashes[name] = password_hash

    def password_hash(self, name: str) -> str | None:
        self._fail()
        return self.hashes.get(name)

    def replace_hash(self, name: str, old: str, new: str) -> None:
        with self._lock:
            self._fail()
            if self.hashes.get(name) == old:
                self.hashes[name] = new

    def _fail(self) -> None:
        if self.error:
            raise self.error


class FakeFailures:
    """Login attempts by limit key, and the keys that `remember` made known, timed by `clock`.

    While `error` is set, every call raises it.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.error: Exception | None = None
        self._attempts: dict[str, dict[str, datetime]] = {}
        self._known: dict[str, datetime] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def read(self, keys: Sequence[str]) -> list[AttemptCount]:
        if self.error:
            raise self.error
        now = self._clock()
        return [AttemptCount(k, self._live(k, now), now) for k in keys if k in self._attempts]

    def add(self, limits: Sequence[Limit], attempt: str) -> list[AttemptCount]:
        with self._lock:
            if self.error:
                raise self.error
            now = self._clock()
            for limit in limits:
                live = dict(self._live(limit.key, now))
                self._attempts[limit.key] = live if len(live) >= limit.max_attempts else live | {attempt: now}
        return self.read([limit.key for limit in limits])

    def remove(self, keys: Sequence[str], attempt: str) -> None:
        with self._lock:
            if self.error:
                raise self.error
            for key in keys:
                self._attempts.get(key, {}).pop(attempt, None)

    def is_known(self, key: str) -> bool:
        if self.error:
            raise self.error
        return key in self._known and self._known[key] > self._clock() - KNOWN_FOR

    def remember(self, key: str) -> None:
        if self.error:
            raise self.error
        self._known[key] = self._clock()

    def _live(self, key: str, now: datetime) -> list[tuple[str, datetime]]:
        return [(id_, at) for id_, at in self._attempts.get(key, {}).items() if at > now - WINDOW]


class FakeKeyRecords:
    """When each key was first published, by `clock`, and which are revoked. If `error` is set, `publish` raises it."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.error: Exception | None = None
        self._clock = clock
        self._published: dict[str, datetime] = {}
        self._revoked: set[str] = set()

    def publish(self, kids: Collection[str]) -> dict[str, KeyRecord]:
        if self.error:
            raise self.error
        now = self._clock()
        for kid in kids:
            self._published.setdefault(kid, now)
        return {k: KeyRecord((now - at).total_seconds(), k in self._revoked) for k, at in self._published.items()}

    def revoke(self, kid: str) -> bool:
        is_new = kid not in self._revoked
        self._revoked.add(kid)
        return is_new
