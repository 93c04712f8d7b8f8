"""Who is asking: the access token of a request, verified once and remembered until it ends."""

import hashlib
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, NoReturn, Protocol

import jwt
from flask import Flask, request
from flask_jwt_extended import decode_token

from order_api.jwks import KeysUnavailable
from shared.http import access_token as auth
from shared.http.problem import Problem

CACHE_LIMIT = 10_000
REALM = 'Bearer realm="retail-orders"'
View = Callable[..., Any]


class Keys(Protocol):
    """The public keys; see `keys.KeyCache` for the contract."""

    def get(self, kid: str) -> Any | None:
        """Return the key `kid` or None; raise KeysUnavailable."""

    def __contains__(self, kid: str) -> bool: ...


class _Verified(NamedTuple):
    userid: str
    kid: str
    expires: float


class Tokens:
    """Verifies access tokens. Safe for threads; belongs to one application."""

    def __init__(
        self, app: Flask, keys: Keys, *, issuer: str, audience: str, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` returns Unix time: the `exp` of a token is compared with it."""
        self._keys = keys
        self._clock = clock
        self._verified: dict[bytes, _Verified] = {}
        self._lock = threading.Lock()
        manager = auth.configure(app, issuer=issuer, audience=audience)
        manager.decode_key_loader(self._key)

    def required(self, view: View) -> View:
        """Call `view` with the token's subject as its first argument, or answer 401; raise KeysUnavailable."""

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            return view(self._userid(), *args, **kwargs)

        guarded.authentication = "bearer"  # type: ignore[attr-defined]  # what the rule tests read
        return guarded

    def _userid(self) -> str:
        header = request.authorization
        if header is None or header.type != "bearer" or not header.token:
            raise Problem(401, "send an access token: Authorization: Bearer …", headers={"WWW-Authenticate": REALM})
        digest = hashlib.sha256(header.token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is None or known.kid not in self._keys or known.expires <= self._clock():
            known = _verify(header.token)
            self._remember(digest, known)
        return known.userid

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        with self._lock:
            while len(self._verified) >= CACHE_LIMIT:
                del self._verified[next(iter(self._verified))]
            self._verified[digest] = verified

    def _key(self, header: dict[str, Any], _claims: dict[str, Any]) -> Any:
        kid = header.get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise jwt.InvalidTokenError("the token's key is unknown")
        return key


def open_to_all(view: View) -> View:
    """Mark a view that takes no token."""

    @wraps(view)
    def opened(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    opened.authentication = "none"  # type: ignore[attr-defined]
    return opened


def _verify(token: str) -> _Verified:
    """Verify a token in full; raise the Problem (401), whatever the library makes of a bad one, or KeysUnavailable."""
    try:
        decode_token(token)
        # The extension fills absent claims in, so they are read once more as they were sent.
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        verified = _Verified(claims["sub"], header["kid"], float(claims["exp"]))
        complete = not auth.lacks_a_claim(header, claims)
    except KeysUnavailable:
        raise
    except Exception:  # noqa: BLE001 - libraries raise far more than their own errors for a forged token
        _refuse()
    return verified if complete else _refuse()


def _refuse() -> NoReturn:
    raise Problem(
        401,
        "the access token is not valid: it may have ended, or was not made for this service",
        headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
    ) from None
