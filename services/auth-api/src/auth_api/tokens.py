"""Issues access tokens."""

from datetime import UTC, datetime, timedelta

import msgspec
from flask import Flask, g
from flask_jwt_extended import create_access_token

from auth_api.signing_keys import Signer
from shared.http import access_token


class AccessToken(msgspec.Struct, frozen=True):
    """The response to a login; `expires_in` in seconds, `expiry` in UTC."""

    access_token: str
    expires_in: int
    expiry: datetime
    token_type: str = "Bearer"  # noqa: S105 - a kind, not a secret


def configure(app: Flask, *, issuer: str, audience: str) -> None:
    """Prepare `app` for `issue_token`."""
    access_token.configure(app, issuer=issuer, audience=audience).encode_key_loader(lambda _identity: g.signing_key)


def issue_token(username: str, signer: Signer, now: datetime) -> AccessToken:
    """Return a token for the user; call it in a request of an app that `configure` has prepared."""
    issued = now.astimezone(UTC).replace(microsecond=0)
    expiry = issued + timedelta(seconds=access_token.LIFETIME_SECONDS)
    g.signing_key = signer.private
    token = create_access_token(
        username,
        additional_claims={"iat": issued, "exp": expiry},
        additional_headers={"kid": signer.kid, "typ": access_token.TYPE},
    )
    return AccessToken(token, access_token.LIFETIME_SECONDS, expiry)
