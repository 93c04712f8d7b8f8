"""The OpenAPI 3.1 document; its schemas are generated from the models."""

from collections.abc import Sequence

import msgspec

from order_api import models
from order_api.orders import Document
from order_api.routes import DEFAULT_LIMIT, MAX_LIMIT, MAX_WAIT
from shared.http.openapi import PROBLEM_SCHEMA, problems
from shared.ordering.money import Amount

_AMOUNT: Document = {
    "description": "An exact amount of zero or more with at most two decimals, as a number or a string.",
    "oneOf": [
        {"type": "number", "minimum": 0, "maximum": 9999999999.99},
        {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"},
    ],
    "examples": ["12.50", 12.5],
}
_PROBLEM: Document = PROBLEM_SCHEMA | {
    "properties": PROBLEM_SCHEMA["properties"]
    | {
        "type": {"type": "string", "description": "about:blank, unavailable, outcome-unknown, idempotency-key-reused"},
        "order_reference": {"type": "string", "description": "with outcome-unknown: the id of the attempted order"},
    }
}
_REASONS = {
    400: "The JSON body, a header or the query is malformed.",
    401: "The access token is missing or invalid.",
    403: "userid does not match the token's subject.",
    404: "The order does not exist or belongs to another user.",
    413: "The body is larger than 64 KiB as sent; an escape such as \\u00e9 counts as six bytes.",
    415: "The body is not declared as application/json in UTF-8.",
    422: "The order breaks a rule, or the Idempotency-Key was used for a different order.",
    429: "The user, or the address, sends too many requests.",
    503: "`unavailable`: nothing was stored. `outcome-unknown`: retry with the same Idempotency-Key, or look up "
    "`order_reference`, which may take up to two minutes to appear.",
}
_HEADERS: dict[str, Document] = {
    "ETag": {"description": "The order's version.", "schema": {"type": "string"}},
    "Location": {"description": "The address of the order.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "true: an earlier request with this Idempotency-Key placed the order.",
        "schema": {"const": "true"},
    },
    "Link": {"description": 'The next page, rel="next".', "schema": {"type": "string"}},
}


def document(*, require_token: bool, currencies: Sequence[str], version: str) -> Document:
    """Return the OpenAPI document for these settings."""
    roots = [models.OrderRequest, models.OrderQuery, models.PlacedOrder, models.OrderDetails, models.OrderPage]
    _, schemas = msgspec.json.schema_components(roots, schema_hook=_amount, ref_template="#/components/schemas/{name}")
    schemas["OrderRequest"]["properties"]["currency"]["description"] = (
        f"one of {', '.join(currencies)}; the first is the default"
    )
    schemas["Problem"] = _PROBLEM
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Retail Orders: order-api",
            "version": version,
            "description": "Accepts orders, never loses one, and processes each once.",
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
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _amount(kind: type) -> Document:
    if kind is Amount:
        return _AMOUNT
    raise NotImplementedError(kind)


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
        "requestBody": {"required": True, "content": _json("OrderRequest")},
        "responses": {
            "200": _response("The order was placed.", _json("PlacedOrder"), "Location", "ETag", "Idempotent-Replayed"),
            **_problems(*([401] if require_token else []), 400, 403, 413, 415, 422, 429, 503),
        },
    }


def _read() -> Document:
    one_or_page = {"anyOf": [_ref("OrderDetails"), _ref("OrderPage")]}
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    wait = {"type": "integer", "minimum": 0, "maximum": MAX_WAIT}
    text = {"type": "string"}
    return {
        "operationId": "readOrders",
        "tags": ["orders"],
        "summary": "Read an order, or list a user's orders",
        "description": "Pass exactly one of orderid and userid, in the query or in a JSON body.",
        "security": [{"token": []}],
        "parameters": [
            _parameter("orderid", "The order to read.", text),
            _parameter("userid", "The user whose orders to list: the token's subject.", text),
            _parameter("limit", "The most orders on a page; a page also ends at about 256 KiB.", limit),
            _parameter("cursor", "next_cursor of the previous page.", text),
            _parameter("status", "Only orders with this status.", {"enum": [*models.STATUSES]}),
            _parameter("wait", "Seconds to hold the response until the status leaves PLACED.", wait),
            _parameter("If-None-Match", "The ETag of a cached response.", text, place="header"),
        ],
        "requestBody": {"required": False, "content": _json("OrderQuery")},
        "responses": {
            "200": _response(
                "The order, or a page of them.", {"application/json": {"schema": one_or_page}}, "ETag", "Link"
            ),
            "304": _response("The order has not changed.", None, "ETag"),
            **_problems(400, 401, 403, 404, 413, 415, 422, 429, 503),
        },
    }


def _parameter(name: str, description: str, schema: Document, *, place: str = "query") -> Document:
    return {"name": name, "in": place, "description": description, "required": False, "schema": schema}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str) -> Document:
    return {"application/json": {"schema": _ref(name)}}


def _response(description: str, content: Document | None, *headers: str) -> Document:
    response: Document = {"description": description, "headers": {name: _HEADERS[name] for name in headers}}
    return response | ({"content": content} if content else {})


def _problems(*statuses: int) -> Document:
    return problems({status: _REASONS[status] for status in sorted(statuses)})
