"""The access token, as auth-api makes it and order-api takes it (RFC 9068 profile, EdDSA)."""

from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
LIFETIME_SECONDS = 15 * 60
LEEWAY_SECONDS = 10
REQUIRED_CLAIMS = ("exp", "iat", "jti", "sub", "type")


def configure(app: Flask, *, issuer: str, audience: str) -> JWTManager:
    """Set flask-jwt-extended up for our tokens: in the Authorization header only, one algorithm, issuer, audience.

    The extension by itself takes tokens without exp, iat, jti or type: a verifier must also check REQUIRED_CLAIMS.
    """
    app.config.update(
        JWT_TOKEN_LOCATION=["headers"],
        JWT_COOKIE_CSRF_PROTECT=False,  # else each token has a claim that only cookies need
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_ENCODE_ISSUER=issuer,
        JWT_DECODE_ISSUER=issuer,
        JWT_ENCODE_AUDIENCE=audience,
        JWT_DECODE_AUDIENCE=audience,
        JWT_ENCODE_NBF=False,
        JWT_DECODE_LEEWAY=LEEWAY_SECONDS,
        JWT_ACCESS_TOKEN_EXPIRES=LIFETIME_SECONDS,
    )
    return JWTManager(app)


def lacks_a_claim(header: dict[str, Any], claims: dict[str, Any]) -> bool:
    """Tell whether a verified token lacks what ours always have."""
    return header.get("typ") != TYPE or claims.get("type") != "access" or any(c not in claims for c in REQUIRED_CLAIMS)
