"""The OpenAPI 3.1 document; tests compare it with the routes, the models and the responses."""

from importlib.metadata import version
from typing import Any

from shared.http import access_token
from shared.http.openapi import (
    CONTENT_TOO_LARGE,
    MALFORMED_JSON,
    MALFORMED_REQUEST,
    NOT_JSON,
    PROBLEM_SCHEMA,
    Cause,
    Errors,
    problem_responses,
    refer_to,
)
from shared.usernames import PATTERN

_EXAMPLE_NAME = "alice"
_EXAMPLE_PASSWORD = "correct horse battery staple"  # noqa: S105
_ERRORS: Errors = {
    400: ("The JSON body or a header is malformed.", [MALFORMED_JSON, MALFORMED_REQUEST]),
    401: (
        "The user name and password are missing, malformed or wrong.",
        [
            Cause("invalid-credentials", "Invalid username or password"),
            Cause("credentials-required", "HTTP Basic credentials required"),
        ],
    ),
    409: ("The user name is already taken.", [Cause("username-taken", "username already taken")]),
    413: ("The body is larger than 64 KiB.", [CONTENT_TOO_LARGE]),
    415: ("The body is not declared as application/json in UTF-8.", [NOT_JSON]),
    422: (
        "The body, the name or the password breaks a rule; `errors` lists each violation.",
        [
            Cause(
                "invalid-account",
                "this password is too common",
                {"errors": [{"pointer": "/password", "detail": "this password is too common"}]},
            ),
            Cause(
                "invalid-body",
                "Object missing required field `password`",
                {"errors": [{"pointer": "", "detail": "Object missing required field `password`"}]},
            ),
        ],
    ),
    429: (
        "Too many failed logins, or too many registrations from this address (by default 300 in 5 minutes).",
        [
            Cause("too-many-failed-logins", "Too many failed logins; retry later"),
            Cause("too-many-registrations", "Too many registrations from this address; retry later"),
            Cause("too-many-requests", "This address sends too many requests without a token. Retry later."),
        ],
    ),
    503: (
        (
            "`unavailable`: nothing was done; retry after `Retry-After`. `outcome-unknown`, of a registration alone: "
            "get a token to see whether the user exists, or register again."
        ),
        [
            Cause("unavailable", "The user database is unavailable; nothing was changed"),
            Cause("outcome-unknown", "It is not known whether the user was stored."),
        ],
    ),
}


def _json(schema: str, description: str, example: Any) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"description": description, "content": {"application/json": content}}


_REGISTER: dict[str, Any] = {
    "summary": "Register a user",
    "operationId": "register",
    "tags": ["users"],
    "security": [],
    "requestBody": {
        "required": True,
        **_json("Registration", "Name and password.", {"username": _EXAMPLE_NAME, "password": _EXAMPLE_PASSWORD}),
    },
    "responses": {
        "201": _json("User", "The user was registered.", {"username": _EXAMPLE_NAME}),
        **refer_to(400, 409, 413, 415, 422, 429, 503),
    },
}
_TOKEN: dict[str, Any] = {
    "summary": "Get an access token",
    "description": "In 5 minutes, 10 failed logins of a user from one address are allowed, and 100 from an address. "
    "From addresses where the user has neither registered nor logged in during the last 30 days, 100 failed logins of "
    "a user are allowed, and 1,000 of all users together. Further logins return 429.",
    "operationId": "token",
    "tags": ["tokens"],
    "security": [{"basic": []}],
    "responses": {
        "200": _json(
            "AccessToken",
            "A token for the header `Authorization: Bearer`.",
            {
                "access_token": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
                "expires_in": access_token.LIFETIME_SECONDS,
                "expiry": "2026-11-24T22:17:08Z",
                "token_type": "Bearer",
            },
        ),
        **refer_to(401, 429, 503),
    },
}
_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "use": "sig",
    "alg": "EdDSA",
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
            {"keys": [_KEY]},
        ),
        "304": {"description": "The keys have not changed since the ETag in If-None-Match."},
        **refer_to(503),
    },
}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, **more}


_NAME = {"type": "string", "pattern": f"^{PATTERN}$", "examples": [_EXAMPLE_NAME]}
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
                "examples": [_EXAMPLE_PASSWORD],
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
            "token_type": {"type": "string", "const": "Bearer"},
        }
    ),
    "KeySet": _object({"keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}}}),
    "Key": _object(
        {
            "kty": {"type": "string", "const": "OKP"},
            "crv": {"type": "string", "const": "Ed25519"},
            "x": {"type": "string"},
            "kid": {"type": "string"},
            "use": {"type": "string", "const": "sig"},
            "alg": {"type": "string", "const": "EdDSA"},
        }
    ),
    "Problem": PROBLEM_SCHEMA,
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Retail Orders: auth-api",
        "version": version("retail-orders-auth-api"),
        "description": "Registers users and issues the access tokens that order-api requires. Every error is a "
        "problem document (RFC 9457). To try it: register, authorize with the same name and password, and get a token: "
        "it also authorizes the page [Orders](/docs/).",
        "license": {"name": "MIT", "identifier": "MIT"},
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
        "responses": problem_responses(_ERRORS),
        "securitySchemes": {"basic": {"type": "http", "scheme": "basic", "description": "User name and password."}},
    },
}
