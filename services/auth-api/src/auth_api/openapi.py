"""The API's description, OpenAPI 3.1; a test holds it against the routes and the models."""

from typing import Any

from shared.http.openapi import PROBLEM_SCHEMA, problems
from shared.usernames import PATTERN

_UNAVAILABLE = "The service cannot do it now; `type` says whether something was done."


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
        "201": _json("User", "The user is stored."),
        **problems(
            {
                400: "The body is not well-formed JSON.",
                409: "The name is taken.",
                413: "The body is above 64 KiB.",
                415: "The body is not `application/json` in UTF-8.",
                422: "The name or the password breaks a rule; `errors` has each.",
                429: "The address registers too many users; by default more than 300 in 5 minutes.",
                503: _UNAVAILABLE + " For `outcome-unknown`, ask for a token, or register again.",
            }
        ),
    },
}
_TOKEN: dict[str, Any] = {
    "summary": "Get an access token",
    "description": "After 10 failed attempts in 5 minutes for a user from one address, or 100 from an address, further "
    "ones are answered 429. So are logins from an address that is new to the user, after 100 such failures for the "
    "user or 1,000 for all users.",
    "operationId": "token",
    "tags": ["tokens"],
    "security": [{"basic": []}],
    "responses": {
        "200": _json("AccessToken", "A token for `Authorization: Bearer`."),
        **problems(
            {
                401: "No credentials, malformed ones, or wrong ones.",
                429: "Too many failed logins.",
                503: _UNAVAILABLE,
            }
        ),
    },
}
_JWKS: dict[str, Any] = {
    "summary": "The public keys that tokens are checked with",
    "operationId": "jwks",
    "tags": ["tokens"],
    "security": [],
    "responses": {
        "200": _json("KeySet", "A JSON Web Key Set (RFC 7517); `Cache-Control` says how long it may be cached."),
        "304": {"description": "The set is the one of `If-None-Match`."},
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
                "description": "None of the 1,000 commonest. Compared in Unicode's normal form C.",
                "examples": ["correct horse battery staple"],
            },
        },
        additionalProperties=False,
    ),
    "User": _object({"username": _NAME}),
    "AccessToken": _object(
        {
            "access_token": {"type": "string"},
            "expires_in": {"type": "integer", "description": "Seconds."},
            "expiry": {"type": "string", "format": "date-time"},
            "token_type": {"const": "Bearer"},
        }
    ),
    "KeySet": _object({"keys": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Key"}}}),
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
        "title": "Retail Orders: users and tokens",
        "version": "1",
        "description": "Register a user, and get the access token that the orders API asks for. Every error is a "
        "problem document (RFC 9457).",
    },
    "servers": [{"url": "/"}],
    "tags": [
        {"name": "users", "description": "Names and passwords."},
        {"name": "tokens", "description": "What the orders API asks for, and the keys that it is checked with."},
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
