"""The public keys of auth-api, kept: fetched over TLS, refreshed, and held on to while auth-api is away."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import random
from typing import Any

import jwt
import urllib3

from shared.telemetry import log

REFRESH_SECONDS = 300.0
UNKNOWN_KID_SECONDS = 30.0
FIRST_BACK_OFF = 0.5
LONGEST_BACK_OFF = 5.0
FETCH_SECONDS = 2.0
MAX_BYTES = 64 * 1024
Keys = Mapping[str, Any]
logger = log.get(__name__)


class KeysUnavailable(Exception):  # noqa: N818 - a state, not a defect
    """Whether a token is good cannot be told now: no key set is here, a newer one is being fetched, or could not be."""


class FetchFailed(Exception):  # noqa: N818
    """auth-api did not answer with a key set."""


def fetcher(url: str, ca_file: Path) -> Callable[[], Keys]:
    """Return a function that fetches the key set (RFC 7517) at `url`, 2 s for each step, or raises FetchFailed."""
    pool = urllib3.PoolManager(
        ca_certs=str(ca_file), timeout=urllib3.Timeout(total=FETCH_SECONDS), retries=False, maxsize=1
    )

    def fetch() -> Keys:
        try:
            with pool.request("GET", url, preload_content=False, redirect=False) as response:
                body = response.read(MAX_BYTES + 1)
                status = response.status
        except urllib3.exceptions.HTTPError as error:
            raise FetchFailed(type(error).__name__) from error
        if status != 200 or len(body) > MAX_BYTES:  # noqa: PLR2004 - HTTP's own
            raise FetchFailed(f"status {status}, {len(body)} bytes")
        return parse(body)

    return fetch


def parse(body: bytes) -> Keys:
    """Return the Ed25519 keys of a key set by their ids, as key objects; raise FetchFailed if there is none."""
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(body)).keys
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FetchFailed(f"no key set: {type(error).__name__}") from error
    keys = {key.key_id: key.key for key in found if key.key_id and key.algorithm_name == "EdDSA"}
    if not keys:
        raise FetchFailed("the key set has no Ed25519 key")
    return keys


class KeyCache:
    """The key set, refreshed every 5 minutes by a thread of its own, and for an unknown key at most every 30 s.

    Safe for threads. A refresh that fails is tried again with a back-off of 0.25 to 5 s.
    """

    def __init__(
        self,
        fetch: Callable[[], Keys],
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random,
    ) -> None:
        """`fetch` returns keys by id or raises FetchFailed; `jitter` returns 0 to 1."""
        self._fetch = fetch
        self._clock = clock
        self._jitter = jitter
        self._keys: Keys = {}
        self._lock = threading.Lock()
        self._failures = 0
        self._last_asked = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)

    @property
    def is_present(self) -> bool:
        """True once a key set was fetched."""
        return bool(self._keys)

    def __contains__(self, kid: str) -> bool:
        return kid in self._keys

    def get(self, kid: str) -> Any | None:
        """Return the key `kid`, fetching at most every 30 s if it is unknown, or None.

        Raise KeysUnavailable without a key set; and for an unknown key while the last fetch has failed, or one is on
        its way in another thread: only one at a time waits for auth-api.
        """
        if not self._keys:
            raise KeysUnavailable
        if kid not in self._keys:
            self._look_for(kid)
        return self._keys.get(kid)

    def _look_for(self, kid: str) -> None:
        if not self._lock.acquire(blocking=False):
            raise KeysUnavailable
        try:
            if kid not in self._keys and self._clock() >= self._last_asked + UNKNOWN_KID_SECONDS:
                self._last_asked = self._clock()
                self._refresh()
            if kid not in self._keys and self._failures:
                raise KeysUnavailable
        finally:
            self._lock.release()

    def refresh(self) -> float:
        """Fetch once, keeping what is there if that fails; return the seconds until the next refresh is due."""
        with self._lock:
            self._refresh()
            if not self._failures:
                return REFRESH_SECONDS
            longest = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(self._failures - 1, 10))
            return longest * (1 - self._jitter() / 2)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(timeout=FETCH_SECONDS + 1)

    def _run(self) -> None:
        while not self._stopping.wait(self.refresh()):
            pass

    def _refresh(self) -> None:
        try:
            self._keys = self._fetch()
            self._failures = 0
        except Exception as error:  # noqa: BLE001 - none may end the thread, or be taken for a bad token
            self._failures += 1
            logger.warning("jwks_fetch_failed", error=repr(error), kept=len(self._keys))
