"""The signing keys, from a folder that may change at any time, and the tokens made with them."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask import Flask, g
from flask_jwt_extended import create_access_token
from jwt.algorithms import OKPAlgorithm

from shared.http import access_token as auth
from shared.telemetry import log

LOOK_AGAIN_SECONDS = 1.0
_KID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
Signature = tuple[tuple[str, int, int, int], ...]
logger = log.get(__name__)


class NoKeys(Exception):  # noqa: N818 - the state that it tells
    """The folder holds no usable set of keys."""


@dataclass(frozen=True)
class KeySet:
    """All keys of one reading of the folder: `private` signs under `kid`; `jwks` has the public half of every key."""

    kid: str
    private: Ed25519PrivateKey
    jwks: Mapping[str, Any]


class KeyFolder:
    """The keys in a folder of `<kid>.pem` files. Safe for threads.

    Files sort by name; the last signs unless `signing_kid` names another. The folder is looked at again at most once
    a second, and read again when a file in it has changed; a reading that fails leaves the former keys in use.
    """

    def __init__(self, folder: Path, *, signing_kid: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._signing_kid = signing_kid
        self._clock = clock
        self._lock = threading.Lock()
        self._look_at = clock()
        self._seen: Signature | None = None
        self._keys: KeySet | None = None
        self._trouble = "not read yet"

    def keys(self) -> KeySet:
        """Return the keys in use; raise NoKeys if no reading of the folder has succeeded yet."""
        with self._lock:
            if self._clock() >= self._look_at:
                self._look_at = self._clock() + LOOK_AGAIN_SECONDS
                self._look()
            if self._keys is None:
                raise NoKeys(self._trouble)
            return self._keys

    def _look(self) -> None:
        try:
            paths = sorted(self._folder.glob("*.pem"))
            seen = tuple((p.name, s.st_ino, s.st_mtime_ns, s.st_size) for p in paths for s in [p.stat()])
            if seen != self._seen:
                self._keys = read(paths, self._signing_kid)
                self._seen = seen
                self._trouble = ""
                logger.info("signing_keys_loaded", kids=[p.stem for p in paths], signing_kid=self._keys.kid)
        except (OSError, ValueError) as error:
            if str(error) != self._trouble:
                logger.warning("signing_keys_invalid", error=str(error))
            self._trouble = str(error)


def read(paths: list[Path], signing_kid: str) -> KeySet:
    """Read PEM files, sorted by name; raise OSError or ValueError, which never show what is in them."""
    keys = {path.stem: _private_key(path) for path in paths}
    if not keys:
        raise ValueError("there is no *.pem file in the folder of keys")
    kid = signing_kid or paths[-1].stem
    if kid not in keys:
        raise ValueError(f"there is no key {kid!r} in the folder, which AUTH_SIGNING_KID names")
    return KeySet(kid, keys[kid], {"keys": [_public_jwk(kid, key) for kid, key in keys.items()]})


def _private_key(path: Path) -> Ed25519PrivateKey:
    if not _KID.fullmatch(path.stem):
        raise ValueError(f"{path.name}: a key's name has 1 to 64 characters of A-Z, a-z, 0-9 and . _ -")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{path.name} holds no unencrypted private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name} holds no Ed25519 key")  # noqa: TRY004 - the file's fault, not the caller's
    return key


def _public_jwk(kid: str, key: Ed25519PrivateKey) -> dict[str, Any]:
    jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": kid, "use": "sig", "alg": auth.ALGORITHM}


class AccessToken(msgspec.Struct, frozen=True):
    """The answer to a login; `expires_in` in seconds, `expiry` in UTC."""

    access_token: str
    expires_in: int
    expiry: datetime
    token_type: str = "Bearer"  # noqa: S105 - a kind, not a secret


def configure(app: Flask, *, issuer: str, audience: str) -> None:
    """Let `issue` work in `app`."""
    auth.configure(app, issuer=issuer, audience=audience).encode_key_loader(lambda _identity: g.signing_key)


def issue(username: str, keys: KeySet, now: datetime) -> AccessToken:
    """Return a token for the user; call it within a request of an app that `configure` has set up."""
    issued = now.astimezone(UTC).replace(microsecond=0)
    expiry = issued + timedelta(seconds=auth.LIFETIME_SECONDS)
    g.signing_key = keys.private
    token = create_access_token(
        username,
        additional_claims={"iat": issued, "exp": expiry},
        additional_headers={"kid": keys.kid, "typ": auth.TYPE},
    )
    return AccessToken(token, auth.LIFETIME_SECONDS, expiry)
