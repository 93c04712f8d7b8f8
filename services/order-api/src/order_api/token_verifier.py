"""Authentication: the access token of a request, verified once and cached until it expires."""

import hashlib
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, NoReturn

import jwt
from flask import Flask, request
from flask_jwt_extended import decode_token

from order_api.jwks import JwksCache, JwksUnavailable
from order_api.rate_limit import RateLimiter
from shared.http import access_token
from shared.http.app import authentication
from shared.http.client_address import limited_address
from shared.http.problem import Problem

CACHE_LIMIT = 10_000
REALM = 'Bearer realm="retail-orders"'
View = Callable[..., Any]


class _Verified(NamedTuple):
    userid: str
    kid: str
    expires: float


class TokenVerifier:
    """Verifies access tokens. Thread-safe; belongs to one application."""

    def __init__(
        self,
        app: Flask,
        keys: JwksCache,
        *,
        issuer: str,
        audience: str,
        invalid_tokens: RateLimiter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` returns Unix time, which is compared with the token's `exp`.

        An address that exceeds `invalid_tokens` gets 429 for every token that is not in the cache.
        """
        self._keys = keys
        self._invalid_tokens = invalid_tokens
        self._clock = clock
        self._verified: dict[bytes, _Verified] = {}
        self._lock = threading.Lock()
        manager = access_token.configure(app, issuer=issuer, audience=audience)
        manager.decode_key_loader(self._key)

    def required(self, view: View) -> View:
        """Return a view that verifies the token, and calls `view` with the token's subject as first argument.

        Without a valid token it raises the Problem (401, or 429 after too many invalid ones) or JwksUnavailable.
        """

        @authentication("bearer")
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            return view(self._authenticate(), *args, **kwargs)

        return guarded

    def _authenticate(self) -> str:
        header = request.authorization
        if header is None or header.type != "bearer" or not header.token:
            raise Problem(
                401,
                "Missing bearer token; send Authorization: Bearer <token>",
                type="token-required",
                headers={"WWW-Authenticate": REALM},
            )
        digest = hashlib.sha256(header.token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is None or known.kid not in self._keys or known.expires <= self._clock():
            known = self._verify(header.token)
            self._remember(digest, known)
        return known.userid

    def _verify(self, token: str) -> _Verified:
        address = limited_address(request.remote_addr or "")
        self._invalid_tokens.check(address)
        try:
            return _verify(token)
        except Problem:
            self._invalid_tokens.take(address)
            raise

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        with self._lock:
            while len(self._verified) >= CACHE_LIMIT:
                del self._verified[next(iter(self._verified))]
            self._verified[digest] = verified

    def _key(self, header: dict[str, Any], _claims: dict[str, Any]) -> Any:
        kid = header.get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise jwt.InvalidTokenError("unknown key")
        return key


def _verify(token: str) -> _Verified:
    """Verify a token in full; raise the Problem (401) for every invalid one, or JwksUnavailable."""
    try:
        decode_token(token)
        # The extension fills in absent claims, so the claims are read once more as they were sent.
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        verified = _Verified(claims["sub"], header["kid"], float(claims["exp"]))
        complete = not access_token.is_foreign(header, claims)
    except JwksUnavailable:
        raise
    except Exception:  # noqa: BLE001 - for a forged token the libraries raise far more than their own errors
        _reject()
    return verified if complete else _reject()


def _reject() -> NoReturn:
    raise Problem(
        401,
        "The access token is invalid, expired, or issued for another audience",
        type="invalid-token",
        headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
    ) from None
