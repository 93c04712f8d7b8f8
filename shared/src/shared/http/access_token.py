"""The access token that auth-api issues and order-api accepts (RFC 9068 profile, EdDSA)."""

from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
LIFETIME_SECONDS = 15 * 60
LEEWAY_SECONDS = 10
REQUIRED_CLAIMS = ("exp", "iat", "jti", "sub", "type")


def configure(app: Flask, *, issuer: str, audience: str) -> JWTManager:
    """Configure flask-jwt-extended for these tokens: Authorization header only, one algorithm, issuer and audience.

    The extension alone accepts tokens without exp, iat, jti or type: a verifier must also call `is_foreign`.
    """
    app.config.update(
        JWT_TOKEN_LOCATION=["headers"],
        JWT_COOKIE_CSRF_PROTECT=False,  # otherwise each token contains a CSRF claim, which only cookies need
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


def is_foreign(header: dict[str, Any], claims: dict[str, Any]) -> bool:
    """Return whether a verified token is not from auth-api: it lacks a claim or the type, or is valid for too long."""
    if header.get("typ") != TYPE or claims.get("type") != "access" or any(c not in claims for c in REQUIRED_CLAIMS):
        return True
    return float(claims["exp"]) - float(claims["iat"]) > LIFETIME_SECONDS
