"""The signing keys, read from a folder that may change at any time."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import OKPAlgorithm

from shared.http.access_token import ALGORITHM
from shared.telemetry import log

RECHECK_SECONDS = 1.0
_KID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
FolderState = tuple[tuple[str, int, int, int], ...]
logger = log.get(__name__)


class SigningKeysUnavailable(Exception):  # noqa: N818 - a state, not a defect
    """No valid set of signing keys has been read yet; the message says why."""


@dataclass(frozen=True)
class KeySet:
    """A snapshot of the folder: `private` signs as `kid`; `jwks` holds the public half of every key (RFC 7517)."""

    kid: str
    private: Ed25519PrivateKey
    jwks: Mapping[str, Any]


class SigningKeys:
    """The keys in a folder of `<kid>.pem` files. Thread-safe.

    The last key by name signs, unless `signing_kid` names another. The folder is checked at most once a second, and
    read again when a file in it has changed; after an invalid change the previous keys stay in use.
    """

    def __init__(self, folder: Path, *, signing_kid: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is monotonic, in seconds."""
        self._folder = folder
        self._signing_kid = signing_kid
        self._clock = clock
        self._lock = threading.Lock()
        self._next_check = clock()
        self._state: FolderState | None = None
        self._keys: KeySet | None = None
        self._error = "not read yet"

    def current(self) -> KeySet:
        """Return the keys in use; raise SigningKeysUnavailable if the folder was never read successfully."""
        with self._lock:
            if self._clock() >= self._next_check:
                self._next_check = self._clock() + RECHECK_SECONDS
                self._reload_if_changed()
            if self._keys is None:
                raise SigningKeysUnavailable(self._error)
            return self._keys

    def _reload_if_changed(self) -> None:
        try:
            paths = sorted(self._folder.glob("*.pem"))
            state = tuple((p.name, s.st_ino, s.st_mtime_ns, s.st_size) for p in paths for s in [p.stat()])
            if state != self._state:
                self._keys = read_keys(paths, self._signing_kid)
                self._state = state
                self._error = ""
                logger.info("signing_keys_loaded", kids=[p.stem for p in paths], signing_kid=self._keys.kid)
        except (OSError, ValueError) as error:
            if str(error) != self._error:
                logger.warning("signing_keys_invalid", error=str(error))
            self._error = str(error)


def read_keys(paths: list[Path], signing_kid: str) -> KeySet:
    """Read PEM files, sorted by name; raise OSError or ValueError, whose message never shows their contents."""
    keys = {path.stem: _read_private_key(path) for path in paths}
    if not keys:
        raise ValueError("the folder AUTH_KEYS_DIR contains no *.pem file")
    kid = signing_kid or paths[-1].stem
    if kid not in keys:
        raise ValueError(f"AUTH_SIGNING_KID is {kid!r}, but AUTH_KEYS_DIR contains no {kid}.pem")
    return KeySet(kid, keys[kid], {"keys": [_public_jwk(kid, key) for kid, key in keys.items()]})


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    if not _KID.fullmatch(path.stem):
        raise ValueError(f"{path.name}: a key id must be 1 to 64 characters of A-Z, a-z, 0-9 and . _ -")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{path.name} is not an unencrypted private key in PEM format") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name} is not an Ed25519 key")  # noqa: TRY004 - the file is wrong, not the caller
    return key


def _public_jwk(kid: str, key: Ed25519PrivateKey) -> dict[str, Any]:
    jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": kid, "use": "sig", "alg": ALGORITHM}
