"""The OpenAPI 3.1 document; its schemas are generated from the models."""

from collections.abc import Sequence
from typing import Any

import msgspec

from order_api import models
from order_api.orders import Document
from order_api.routes import DEFAULT_LIMIT, MAX_LIMIT, MAX_WAIT
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
from shared.ordering.money import Amount

_AMOUNT: Document = {
    "description": "An exact amount of zero or more with at most two decimals, as a number or a string.",
    "oneOf": [
        {"type": "number", "minimum": 0, "maximum": 9999999999.99},
        {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"},
    ],
    "examples": ["12.50", 12.5],
}
_ORDER_ID = "01a20f94-9f70-7201-8d8c-36253ae13b4d"
_REQUEST = {"userid": "alice", "cost": "7.45", "orderitems": ["a biscuit", {"item": "tea", "quantity": 2}]}
_PLACED = {
    "order_reference": _ORDER_ID,
    "orderid": _ORDER_ID,
    "userid": "alice",
    "status": "PLACED",
    "cost": "7.45",
    "currency": "USD",
    "orderitems": [{"item": "a biscuit", "quantity": 1}, {"item": "tea", "quantity": 2}],
    "placed_at": "2026-11-24T22:02:08.112000Z",
}
_SUMMARY = _PLACED | {"status": "PROCESSED", "processed_at": "2026-11-24T22:02:08.243000Z"}
_DETAILS = _SUMMARY | {
    "history": [
        {"status": "PLACED", "at": "2026-11-24T22:02:08.112000Z", "by": "order-api", "reason": None},
        {"status": "PROCESSED", "at": "2026-11-24T22:02:08.243000Z", "by": "order-processor", "reason": None},
    ]
}
_PROBLEM: Document = PROBLEM_SCHEMA | {
    "properties": PROBLEM_SCHEMA["properties"]
    | {"order_reference": {"type": "string", "description": "With outcome-unknown: the id of the attempted order."}}
}
_ERRORS: Errors = {
    400: (
        "The JSON body, a header or the query is malformed.",
        [MALFORMED_JSON, Cause("invalid-parameter", "limit must be a whole number from 1 to 100"), MALFORMED_REQUEST],
    ),
    401: (
        "The access token is missing or invalid.",
        [
            Cause("token-required", "Missing bearer token; send Authorization: Bearer <token>"),
            Cause("invalid-token", "The access token is invalid, expired, or issued for another audience"),
        ],
    ),
    403: ("userid is not the token's user.", [Cause("wrong-user", "userid must match the token's subject")]),
    404: ("The order does not exist or belongs to another user.", [Cause("order-not-found", "Order not found")]),
    413: (
        "The body is larger than 64 KiB as sent; an escape such as \\u00e9 counts as six bytes.",
        [CONTENT_TOO_LARGE],
    ),
    415: ("The body is not declared as application/json in UTF-8.", [NOT_JSON]),
    422: (
        "The order breaks a rule, or the Idempotency-Key was used for a different order.",
        [
            Cause(
                "invalid-order",
                "/currency: must be one of USD",
                {"errors": [{"pointer": "/currency", "detail": "must be one of USD"}]},
            ),
            Cause(
                "invalid-body",
                "Object missing required field `cost`",
                {"errors": [{"pointer": "", "detail": "Object missing required field `cost`"}]},
            ),
            Cause("idempotency-key-reused", "This Idempotency-Key was already used for a different order"),
        ],
    ),
    429: (
        "The user, or the address, sends too many requests.",
        [Cause("too-many-requests", "Too many orders; retry after the delay in Retry-After")],
    ),
    503: (
        (
            "`unavailable`: nothing was stored. `outcome-unknown`: retry with the same Idempotency-Key, or look up "
            "`order_reference`, which may take up to two minutes to appear."
        ),
        [
            Cause("unavailable", "The order database is unavailable; nothing was stored. Retry later."),
            Cause("outcome-unknown", "The outcome is unknown.", {"order_reference": _ORDER_ID}),
        ],
    ),
}
_HEADERS: dict[str, Document] = {
    "ETag": {"description": "The order's version.", "schema": {"type": "string"}},
    "Location": {"description": "The address of the order.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "true: an earlier request with this Idempotency-Key placed the order.",
        "schema": {"type": "string", "const": "true"},
    },
    "Link": {"description": 'The next page, rel="next".', "schema": {"type": "string"}},
}


def document(*, require_token: bool, currencies: Sequence[str], version: str) -> Document:
    """Return the OpenAPI document for these settings."""
    roots = [models.OrderRequest, models.PlacedOrder, models.OrderDetails, models.OrderPage]
    _, schemas = msgspec.json.schema_components(roots, schema_hook=_amount, ref_template="#/components/schemas/{name}")
    schemas["OrderRequest"]["properties"]["currency"] = {
        "description": f"ISO 4217; null or absent: {currencies[0]}",
        "oneOf": [{"type": "string", "enum": list(currencies)}, {"type": "null"}],
    }
    schemas = _exclusive(schemas) | {"Amount": _AMOUNT, "Problem": _PROBLEM}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Retail Orders: order-api",
            "version": version,
            "description": "Accepts orders, never loses one, and processes each once. To try it: get a token on "
            "the page [Users and tokens](/api/docs/), which authorizes this page, too.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "orders", "description": "Orders are placed by a user and readable by that user only."}],
        "paths": {
            "/order": {"post": _place(require_token=require_token)},
            "/orderdetails": {"get": _read()},
        },
        "components": {
            "schemas": schemas,
            "responses": problem_responses(_ERRORS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _amount(kind: type) -> Document:
    if kind is Amount:
        return _ref("Amount")
    raise NotImplementedError(kind)


def _exclusive(schema: Any) -> Any:
    """Return the schema with `oneOf` for each `anyOf`, so that client generators know that only one type matches."""
    if isinstance(schema, list):
        return [_exclusive(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {"oneOf" if key == "anyOf" else key: _exclusive(value) for key, value in schema.items()}


def _place(*, require_token: bool) -> Document:
    key = {"type": "string", "minLength": 1, "maxLength": 257}
    return {
        "operationId": "placeOrder",
        "tags": ["orders"],
        "summary": "Place an order",
        "description": "With an Idempotency-Key, a retry returns the first response as long as the order is kept.",
        "security": [{"token": []}] if require_token else [],
        "parameters": [
            _parameter("Idempotency-Key", "A unique key for this order, bare or quoted.", key, place="header"),
            _parameter("traceparent", "W3C Trace Context; copied to the event.", {"type": "string"}, place="header"),
        ],
        "requestBody": {"required": True, "content": _json("OrderRequest", _REQUEST)},
        "responses": {
            "200": _response(
                "The order was placed.", _json("PlacedOrder", _PLACED), "Location", "ETag", "Idempotent-Replayed"
            ),
            **refer_to(*([401] if require_token else []), 400, 403, 413, 415, 422, 429, 503),
        },
    }


def _read() -> Document:
    one_or_page = {
        "schema": {"oneOf": [_ref("OrderDetails"), _ref("OrderPage")]},
        "examples": {
            "order": {"summary": "With orderid", "value": _DETAILS},
            "page": {"summary": "With userid", "value": {"items": [_SUMMARY], "next_cursor": None}},
        },
    }
    # `limit` has no default here: a generated client would also send it with orderid, and be rejected.
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}
    wait = {"type": "integer", "minimum": 0, "maximum": MAX_WAIT}
    text = {"type": "string"}
    return {
        "operationId": "readOrders",
        "tags": ["orders"],
        "summary": "Read an order, or list a user's orders",
        "description": "Pass exactly one of orderid and userid. `limit`, `cursor` and `status` are valid with userid, "
        "`wait` with orderid. (As in the original API, the id may also be the only member of a JSON body.)",
        "security": [{"token": []}],
        "parameters": [
            _parameter("orderid", "The order to read.", text),
            _parameter("userid", "The user whose orders to list: the token's user.", text, example="alice"),
            _parameter("limit", f"The most orders on a page ({DEFAULT_LIMIT}); it also ends at about 256 KiB.", limit),
            _parameter("cursor", "next_cursor of the previous page.", text),
            _parameter("status", "Only orders with this status.", _ref("Status")),
            _parameter("wait", "Seconds to hold the response until the status leaves PLACED.", wait),
            _parameter("If-None-Match", "The ETag of a cached response.", text, place="header"),
        ],
        "responses": {
            "200": _response("The order, or a page of them.", {"application/json": one_or_page}, "ETag", "Link"),
            "304": _response("The order has not changed.", None, "ETag"),
            **refer_to(400, 401, 403, 404, 413, 415, 422, 429, 503),
        },
    }


def _parameter(name: str, description: str, schema: Document, *, place: str = "query", **more: str) -> Document:
    return {"name": name, "in": place, "description": description, "required": False, "schema": schema, **more}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str, example: Document) -> Document:
    return {"application/json": {"schema": _ref(name), "example": example}}


def _response(description: str, content: Document | None, *headers: str) -> Document:
    response: Document = {"description": description, "headers": {name: _HEADERS[name] for name in headers}}
    return response | ({"content": content} if content else {})
