"""The OpenAPI document of order-api matches its routes, models and responses."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from fakes.replica_set import Failure
from order_api import models
from order_api.routes import PROBLEMS
from shared.http.app import HEADERS
from shared.ordering.status import Status
from support import openapi
from support.order_api import OrderService, order

Schema = dict[str, Any]


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


@pytest.fixture
def document(service: OrderService) -> Schema:
    answer = service.client.get("/openapi.json")
    assert answer.headers["Cache-Control"].startswith("public")
    return dict(answer.get_json())


def schema(document: Schema, name: str) -> Draft202012Validator:
    return Draft202012Validator(document | {"$ref": f"#/components/schemas/{name}"})


def test_document_is_valid_openapi_3_1(document: Schema) -> None:
    validate(document)

    assert document["openapi"].startswith("3.1")


def test_every_example_matches_its_schema(document: Schema) -> None:
    shown = list(openapi.examples(document))

    assert len(shown) >= 15
    for schema_of_example, value in shown:
        openapi.check(document, schema_of_example, value)


def test_requests_with_the_documented_examples_succeed(service: OrderService, document: Schema) -> None:
    body = document["paths"]["/order"]["post"]["requestBody"]["content"]["application/json"]["example"]
    read = document["paths"]["/orderdetails"]["get"]["parameters"]
    filled = {p["name"]: p["example"] for p in read if "example" in p}
    defaults = [p["name"] for p in read if "default" in p["schema"]]

    assert service.place(body).status_code == 200
    assert service.read(f"?{urlencode(filled)}").status_code == 200
    assert defaults == []


def test_document_declares_the_type_of_each_returned_problem(service: OrderService, document: Schema) -> None:
    answers = [
        ("/order", "post", service.place(order(cost=-1))),
        ("/order", "post", service.place(order(currency="XYZ"))),
        ("/order", "post", service.place({"userid": "alice"})),
        ("/order", "post", service.place(order(userid="bob"))),
        ("/order", "post", service.client.post("/order")),
        ("/order", "post", service.place(b"{")),
        ("/orderdetails", "get", service.read("?orderid=x")),
        ("/orderdetails", "get", service.read("?limit=5")),
        ("/orderdetails", "get", service.client.get("/orderdetails", headers={"Authorization": "Bearer x"})),
    ]

    types = set()
    for path, method, answer in answers:
        (content,) = openapi.response(document, path, method, answer.status_code)["content"].values()
        openapi.check(document, content["schema"], answer.json)
        assert answer.json["type"] in content["examples"]
        types.add(answer.json["type"])
    assert len(types) >= 8


def test_document_lists_exactly_the_routes(service: OrderService, document: Schema) -> None:
    rules = service.client.application.url_map.iter_rules()
    served = {(r.rule, m) for r in rules if r.endpoint.startswith("orders.") for m in (r.methods or set()) - {"HEAD"}}

    assert {(path, m.upper()) for path, operations in document["paths"].items() for m in operations} == served


def test_schemas_have_the_fields_of_the_models(document: Schema) -> None:
    for name, described in document["components"]["schemas"].items():
        model = getattr(models, name, None)
        if model is Status:
            assert described["enum"] == sorted(Status)
        elif model and issubclass(model, msgspec.Struct):
            fields = msgspec.structs.fields(model)
            assert set(described["properties"]) == {f.encode_name for f in fields}
            assert set(described.get("required", ())) == {f.encode_name for f in fields if f.required}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cost": 12},
        {"cost": 12.5},
        {"cost": "0"},
        {"cost": 0},
        {"cost": -1},
        {"cost": "-1"},
        {"cost": "1.234"},
        {"cost": None},
        {"currency": "USD"},
        {"currency": "usd"},
        {"orderitems": []},
        {"orderitems": [""]},
        {"orderitems": ["a" * 201]},
        {"orderitems": ["a"] * 101},
        {"orderitems": [{"item": "a", "quantity": 0}]},
        {"orderitems": [{"item": "a", "quantity": 2, "price": "1.00"}, "b"]},
        {"orderitems": [{"item": "a", "colour": "red"}]},
        {"userid": {"$ne": None}},
        {"discount": 1},
    ],
)
def test_request_schema_and_service_accept_the_same_orders(
    service: OrderService, document: Schema, changes: dict[str, Any]
) -> None:
    body = order(**changes)
    status = service.place(body).status_code

    assert status in {200, 422}
    assert schema(document, "OrderRequest").is_valid(body) == (status == 200)


def test_responses_match_their_schemas(service: OrderService, document: Schema) -> None:
    items = ["apple", {"item": "pear", "quantity": 2, "price": 3}]
    placed = service.place(order(orderitems=items))
    detail = service.read(f"?orderid={placed.json['orderid']}")
    page = service.read("?userid=alice")
    absent = service.read("?orderid=x")
    rejected = service.place(order(cost=-1))
    service.fail_next("insert", Failure.LOST)
    unknown = service.place()

    schema(document, "PlacedOrder").validate(placed.json)
    schema(document, "OrderDetails").validate(detail.json)
    schema(document, "OrderPage").validate(page.json)
    for problem in (absent, rejected, unknown):
        schema(document, "Problem").validate(problem.json)


def test_document_lists_the_status_of_every_problem(document: Schema) -> None:
    examples = {"retry_after": 1.0, "order_id": "id", "document_id": "x", "pointer": "/x"}
    statuses = {make(type("Example", (), examples)()).status for make in PROBLEMS.values()}

    described = {int(s) for path in document["paths"].values() for o in path.values() for s in o["responses"]}
    assert statuses <= described


def test_document_reflects_token_and_currency_settings(tmp_path: Path, document: Schema) -> None:
    opened = OrderService(tmp_path, environ={"ORDERS_REQUIRE_TOKEN": "false", "ORDERS_CURRENCIES": "EUR,USD"})
    other = opened.client.get("/openapi.json").get_json()

    assert document["paths"]["/order"]["post"]["security"] == [{"token": []}]
    assert other["paths"]["/order"]["post"]["security"] == []
    currency = other["components"]["schemas"]["OrderRequest"]["properties"]["currency"]
    assert currency["oneOf"][0]["enum"] == ["EUR", "USD"]


def test_docs_page_loads_nothing_from_other_hosts(service: OrderService) -> None:
    page = service.client.get("/docs/")

    assert page.status_code == 200
    assert b"/openapi.json" in page.data
    assert b'src="http' not in page.data
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert re.search("; script-src 'self' 'sha256-[^' ]+'$", page.headers["Content-Security-Policy"])
    assert page.headers["Cache-Control"] == "public, max-age=300"


def test_docs_page_includes_the_login_script(service: OrderService) -> None:
    assert b'<script src="/docs/login.js"></script>' in service.client.get("/docs/").data
    script = service.client.get("/docs/login.js")

    assert (script.status_code, script.mimetype) == (200, "text/javascript")
    assert b"/api/token" in script.data


def test_error_under_docs_has_the_strict_security_headers(service: OrderService) -> None:
    answer = service.client.get("/docs/nothing.js")

    assert answer.status_code == 404
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/order", 405), ("DELETE", "/orderdetails", 405), ("OPTIONS", "/order", 405)],
)
def test_unknown_path_or_method_returns_a_problem(service: OrderService, method: str, path: str, status: int) -> None:
    answer = service.client.open(path, method=method)

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert ("Allow" in answer.headers) == (status == 405)


def test_every_route_declares_its_authentication(service: OrderService) -> None:
    app = service.client.application
    declared = {
        rule.rule: getattr(app.view_functions[rule.endpoint], "authentication", None)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("orders.")
    }

    assert declared == {"/order": "bearer", "/orderdetails": "bearer"}
