"""The JWKS cache: auth-api's public keys, refreshed, and kept while auth-api is unavailable."""

import threading
import time
from collections.abc import Callable
from random import random
from typing import Any

from order_api.jwks_fetch import FETCH_SECONDS, Keys
from shared.resilience.backoff import Backoff
from shared.resilience.worker import Worker
from shared.telemetry import log

REFRESH_SECONDS = 20.0
UNKNOWN_KID_SECONDS = 30.0
logger = log.get(__name__)


class JwksUnavailable(Exception):  # noqa: N818 - a state, not a defect
    """The token cannot be verified right now: no key set was fetched yet, or a fetch is running or has failed."""


class JwksCache:
    """The key set. Thread-safe.

    Its own thread refreshes it every `refresh_seconds`, and retries a failed refresh after a back-off of 0.25 to 5 s.
    An unknown key id causes a refresh too, at most every 30 s.
    """

    def __init__(
        self,
        fetch: Callable[[], Keys],
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random,
    ) -> None:
        """`fetch` returns keys by id or raises JwksFetchFailed; `jitter` returns a number from 0 to 1."""
        self._fetch = fetch
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._backoff = Backoff(first=0.5, longest=5.0, jitter=jitter)
        self._keys: Keys | None = None
        self._lock = threading.Lock()
        self._failures = 0
        self._last_lookup = float("-inf")
        self._worker = Worker("jwks", self._run)

    @property
    def is_ready(self) -> bool:
        """True once a key set was fetched."""
        return self._keys is not None

    def __contains__(self, kid: str) -> bool:
        return kid in (self._keys or {})

    def get(self, kid: str) -> Any | None:
        """Return the key `kid` or None; for an unknown kid the set is fetched again, at most every 30 s.

        Raise JwksUnavailable if there is no key set yet, and for an unknown kid if the last fetch failed or another
        thread is fetching: only one thread at a time waits for auth-api.
        """
        if self._keys is None:
            raise JwksUnavailable
        if kid not in self:
            self._look_up(kid)
        return self._keys.get(kid)

    def _look_up(self, kid: str) -> None:
        if not self._lock.acquire(blocking=False):
            raise JwksUnavailable
        try:
            if kid not in self and self._clock() >= self._last_lookup + UNKNOWN_KID_SECONDS:
                self._last_lookup = self._clock()
                self._refresh()
            if kid not in self and self._failures:
                raise JwksUnavailable
        finally:
            self._lock.release()

    def refresh(self) -> float:
        """Fetch once, and keep the current keys if that fails; return the seconds until the next refresh is due."""
        with self._lock:
            self._refresh()
            return self._backoff.pause(self._failures) if self._failures else self._refresh_seconds

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def close(self) -> None:
        """Stop the thread."""
        self._worker.close(timeout=FETCH_SECONDS + 1)

    def _run(self) -> None:
        while not self._worker.stopping.wait(self.refresh()):
            pass

    def _refresh(self) -> None:
        try:
            self._keys = self._fetch()
            self._failures = 0
        except Exception as error:  # noqa: BLE001 - none may stop the thread, or count as an invalid token
            self._failures += 1
            logger.warning("jwks_fetch_failed", error=repr(error), kept=len(self._keys or {}))
