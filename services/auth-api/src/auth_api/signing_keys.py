"""The signing keys: read from a folder that may change at any time, published, and used once verifiers know them."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from auth_api.key_files import FolderState, folder_state, read_private_keys
from shared.http.access_token import ALGORITHM
from shared.key_records import KeyRecord
from shared.resilience.worker import Worker
from shared.telemetry import log

FOLDER_SECONDS = 1.0
# The time between two reads of the revocations. order-api fetches the keys every 20 s, so it rejects a revoked key
# within 30 s.
RECORDS_SECONDS = 3.0
Publish = Callable[[Collection[str]], dict[str, KeyRecord]]
logger = log.get(__name__)


class SigningKeysUnavailable(Exception):  # noqa: N818 - a state, not a defect
    """There is no key to sign with, or no key set to publish; the message says why."""


@dataclass(frozen=True)
class Signer:
    """The key that signs at this moment, and its id."""

    kid: str
    private: Ed25519PrivateKey


class SigningKeys:
    """The keys in a folder of `<kid>.pem` files, without the revoked ones. Thread-safe.

    All are published. The last by name signs, unless `signing_kid` names another. But a new key signs only after it has
    been published for `cache_seconds`, the time for which a verifier may use an older key set. If no key has been
    published for that long, the one that was published first signs. The time of a key's first publication is recorded
    in MongoDB, so that all replicas agree; no key is published before it is recorded. After an invalid change of the
    folder, and while MongoDB is unavailable, the previous keys stay in use. If every key is revoked, nothing signs, and
    an empty set is published: verifiers then reject the tokens of the revoked keys.
    """

    def __init__(
        self,
        folder: Path,
        publish: Publish,
        *,
        cache_seconds: float,
        signing_kid: str = "",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`publish` is `KeyRecords.publish`; `clock` is monotonic, in seconds."""
        self._folder = folder
        self._publish = publish
        self._cache_seconds = cache_seconds
        self._signing_kid = signing_kid
        self._clock = clock
        self._lock = threading.Lock()
        self._state: FolderState | None = None
        self._private: dict[str, Ed25519PrivateKey] = {}
        self._next_publish = 0.0
        self._signer: Signer | None = None
        self._jwks: Mapping[str, Any] | None = None
        self._error = "not read yet"
        self._worker = Worker("signing-keys", self._run)

    def signer(self) -> Signer:
        """Return the key that signs; raise SigningKeysUnavailable. Does no I/O."""
        signer = self._signer
        if signer is None:
            raise SigningKeysUnavailable(self._error)
        return signer

    def published(self) -> Mapping[str, Any]:
        """Return the public half of every key in use (RFC 7517); raise SigningKeysUnavailable. Does no I/O."""
        jwks = self._jwks
        if jwks is None:
            raise SigningKeysUnavailable(self._error)
        return jwks

    def refresh(self) -> None:
        """Read the keys if the folder has changed.

        After a change, and otherwise every 3 s, record in MongoDB that new keys are published, and read the records of
        all keys. An error is logged once, and the previous keys stay in use; but if all keys are revoked, none is used.
        """
        with self._lock:
            try:
                self._refresh()
            except Exception as error:  # noqa: BLE001 - none may stop the thread; the previous keys stay in use
                if str(error) != self._error:
                    logger.warning("signing_keys_invalid", error=str(error))
                self._error = str(error)

    def start(self) -> None:
        """Start the thread that refreshes the keys."""
        self._worker.start()

    def close(self) -> None:
        """Stop the thread."""
        self._worker.close()

    def _run(self) -> None:
        self.refresh()
        while not self._worker.stopping.wait(FOLDER_SECONDS):
            self.refresh()

    def _refresh(self) -> None:
        state = folder_state(self._folder)
        if state == self._state and self._clock() < self._next_publish:
            return
        if state != self._state:
            self._private = read_private_keys(self._folder, self._signing_kid)
        records = self._publish(self._private.keys())
        self._state = state
        self._next_publish = self._clock() + RECORDS_SECONDS
        kids = [kid for kid in self._private if not records[kid].is_revoked]
        self._use(kids, records)
        if not kids:
            raise SigningKeysUnavailable("every key in AUTH_KEYS_DIR is revoked")
        self._error = ""

    def _use(self, kids: Sequence[str], records: Mapping[str, KeyRecord]) -> None:
        signer = None
        if kids:
            kid = choose_signer(kids, records, preferred=self._signing_kid, cache_seconds=self._cache_seconds)
            signer = Signer(kid, self._private[kid])
        jwks = {"keys": [_public_jwk(kid, self._private[kid]) for kid in kids]}
        if (self._signer and self._signer.kid, self._jwks) != (signer and signer.kid, jwks):
            logger.info("signing_keys_loaded", kids=list(kids), signing_kid=signer and signer.kid)
        self._signer, self._jwks = signer, jwks


def choose_signer(
    kids: Collection[str], records: Mapping[str, KeyRecord], *, preferred: str, cache_seconds: float
) -> str:
    """Return the id of the key that signs: of the keys that all verifiers know, `preferred` or else the last by name.

    Verifiers know a key that was published at least `cache_seconds` ago. If they know none, the key that was published
    first signs.
    """
    ranked = sorted(kids, key=lambda kid: (kid == preferred, kid), reverse=True)
    known = [kid for kid in ranked if records[kid].published_seconds >= cache_seconds]
    return known[0] if known else max(ranked, key=lambda kid: records[kid].published_seconds)


def _public_jwk(kid: str, key: Ed25519PrivateKey) -> dict[str, Any]:
    jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": kid, "use": "sig", "alg": ALGORITHM}
