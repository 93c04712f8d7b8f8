"""The API's description (OpenAPI 3.1); the schemas are those of the models."""

from collections.abc import Sequence

import msgspec

from order_api import models
from order_api.orders import Document
from order_api.routes import DEFAULT_LIMIT, MAX_LIMIT, MAX_WAIT
from shared.http.openapi import PROBLEM_SCHEMA, problems
from shared.ordering.money import Amount

_AMOUNT: Document = {
    "description": "Exact, above zero, at most two decimals; a number or a string.",
    "oneOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 9999999999.99},
        {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"},
    ],
    "examples": ["12.50", 12.5],
}
_PROBLEM: Document = PROBLEM_SCHEMA | {
    "properties": PROBLEM_SCHEMA["properties"]
    | {
        "type": {"type": "string", "description": "about:blank, unavailable, outcome-unknown, idempotency-key-reused"},
        "order_reference": {"type": "string", "description": "of outcome-unknown: the order that was tried"},
    }
}
_REASONS = {
    400: "Not well-formed: the body's JSON, a header or the query.",
    401: "No access token, or none that is valid.",
    403: "For another user.",
    404: "No such order, or not yours.",
    413: "Body above 64 KiB.",
    415: "Body not declared as application/json in UTF-8.",
    422: "Well-formed, but refused; or the Idempotency-Key belongs to another order.",
    503: "`unavailable`: nothing was done. `outcome-unknown`: repeat with the key, or ask for `order_reference`, which "
    "may come up to two minutes late.",
}
_HEADERS: dict[str, Document] = {
    "ETag": {"description": "The order's version.", "schema": {"type": "string"}},
    "Location": {"description": "Where the order can be read.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "true: an earlier request with this key placed the order.",
        "schema": {"const": "true"},
    },
    "Link": {"description": 'The next page, rel="next".', "schema": {"type": "string"}},
}


def document(*, require_token: bool, currencies: Sequence[str], version: str) -> Document:
    """Return the description of this service as it is set up."""
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
            "description": "Takes orders, never loses one, and processes each once.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "orders", "description": "Placed by a user, and shown to that user only."}],
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
        "description": "With an Idempotency-Key a repeat gives the first answer again, for as long as the order lives.",
        "security": [{"token": []}] if require_token else [],
        "parameters": [
            _parameter("Idempotency-Key", "Your name for this order; bare or quoted.", key, place="header"),
            _parameter("traceparent", "W3C Trace Context; goes with the event.", {"type": "string"}, place="header"),
        ],
        "requestBody": {"required": True, "content": _json("OrderRequest")},
        "responses": {
            "200": _answer("Placed.", _json("PlacedOrder"), "Location", "ETag", "Idempotent-Replayed"),
            **_problems(*([401] if require_token else []), 400, 403, 413, 415, 422, 503),
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
        "description": "Give exactly one of orderid and userid, in the query or in a JSON body.",
        "security": [{"token": []}],
        "parameters": [
            _parameter("orderid", "The order to read.", text),
            _parameter("userid", "Whose orders to list: your own name.", text),
            _parameter("limit", "Orders on a page.", limit),
            _parameter("cursor", "next_cursor of the page before.", text),
            _parameter("status", "Only orders of this status.", {"enum": [*models.STATUSES]}),
            _parameter("wait", "Hold the answer up to so many seconds until the status leaves PLACED.", wait),
            _parameter("If-None-Match", "The ETag that you have.", text, place="header"),
        ],
        "requestBody": {"required": False, "content": _json("OrderQuery")},
        "responses": {
            "200": _answer(
                "The order, or a page of them.", {"application/json": {"schema": one_or_page}}, "ETag", "Link"
            ),
            "304": _answer("The order is as you have it.", None, "ETag"),
            **_problems(400, 401, 403, 404, 413, 415, 422, 503),
        },
    }


def _parameter(name: str, description: str, schema: Document, *, place: str = "query") -> Document:
    return {"name": name, "in": place, "description": description, "required": False, "schema": schema}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str) -> Document:
    return {"application/json": {"schema": _ref(name)}}


def _answer(description: str, content: Document | None, *headers: str) -> Document:
    answer: Document = {"description": description, "headers": {name: _HEADERS[name] for name in headers}}
    return answer | ({"content": content} if content else {})


def _problems(*statuses: int) -> Document:
    return problems({status: _REASONS[status] for status in sorted(statuses)})
