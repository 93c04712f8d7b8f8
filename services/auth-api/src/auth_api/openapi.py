"""The OpenAPI 3.1 document; tests compare it with the routes, the models and the responses."""

from typing import Any

from shared.http.openapi import PROBLEM_SCHEMA, problems
from shared.usernames import PATTERN

_UNAVAILABLE = "`unavailable`: nothing was done; retry after `Retry-After`."


def _json(schema: str, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


_REGISTER: dict[str, Any] = {
    "summary": "Register a user",
    "operationId": "register",
    "tags": ["users"],
    "security": [],
    "requestBody": {"required": True, **_json("Registration", "Name and password.")},
    "responses": {
        "201": _json("User", "The user was registered."),
        **problems(
            {
                400: "The JSON body or a header is malformed.",
                409: "The user name is already taken.",
                413: "The body is larger than 64 KiB.",
                415: "The body is not declared as application/json in UTF-8.",
                422: "The name or the password breaks a rule; `errors` lists each violation.",
                429: "The address registered too many users (by default 300 in 5 minutes), or too many at once.",
                503: _UNAVAILABLE
                + " `outcome-unknown`: get a token to see whether the user exists, or register again.",
            }
        ),
    },
}
_TOKEN: dict[str, Any] = {
    "summary": "Get an access token",
    "description": "In 5 minutes, 10 failed logins of a user from one address are allowed, and 100 from an address. "
    "From addresses where the user has not logged in during the last 30 days, 100 failed logins of a user are allowed, "
    "and 1,000 of all users together. Further logins return 429.",
    "operationId": "token",
    "tags": ["tokens"],
    "security": [{"basic": []}],
    "responses": {
        "200": _json("AccessToken", "A token for the header `Authorization: Bearer`."),
        **problems(
            {
                401: "The user name and password are missing, malformed or wrong.",
                429: "Too many failed logins.",
                503: _UNAVAILABLE,
            }
        ),
    },
}
_JWKS: dict[str, Any] = {
    "summary": "Get the public keys that verify access tokens",
    "operationId": "jwks",
    "tags": ["tokens"],
    "security": [],
    "responses": {
        "200": _json(
            "KeySet",
            "A JSON Web Key Set (RFC 7517), empty if every key is revoked; cache it as `Cache-Control` allows.",
        ),
        "304": {"description": "The keys have not changed since the ETag in If-None-Match."},
        **problems({503: _UNAVAILABLE}),
    },
}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, **more}


_NAME = {"type": "string", "pattern": f"^{PATTERN}$", "examples": ["alice"]}
_SCHEMAS: dict[str, Any] = {
    "Registration": _object(
        {
            "username": _NAME,
            "password": {
                "type": "string",
                "format": "password",
                "minLength": 8,
                "maxLength": 128,
                "description": "Neither the user name nor one of the 10,000 most common passwords. It is "
                "normalized to Unicode NFC.",
                "examples": ["correct horse battery staple"],
            },
        },
        additionalProperties=False,
    ),
    "User": _object({"username": _NAME}),
    "AccessToken": _object(
        {
            "access_token": {"type": "string"},
            "expires_in": {"type": "integer", "description": "The token's lifetime in seconds."},
            "expiry": {"type": "string", "format": "date-time"},
            "token_type": {"const": "Bearer"},
        }
    ),
    "KeySet": _object({"keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}}}),
    "Key": _object(
        {
            "kty": {"const": "OKP"},
            "crv": {"const": "Ed25519"},
            "x": {"type": "string"},
            "kid": {"type": "string"},
            "use": {"const": "sig"},
            "alg": {"const": "EdDSA"},
        }
    ),
    "Problem": PROBLEM_SCHEMA,
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Retail Orders: auth-api",
        "version": "1",
        "description": "Registers users and issues the access tokens that order-api requires. Every error is a "
        "problem document (RFC 9457).",
    },
    "servers": [{"url": "/"}],
    "tags": [
        {"name": "users", "description": "Users register with a name and a password."},
        {"name": "tokens", "description": "Access tokens, and the public keys that verify them."},
    ],
    "paths": {
        "/api/users": {"post": _REGISTER},
        "/api/token": {"get": _TOKEN},
        "/.well-known/jwks.json": {"get": _JWKS},
    },
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {"basic": {"type": "http", "scheme": "basic", "description": "User name and password."}},
    },
}
