"""auth-api's OpenAPI document, compared with its routes, models and responses."""

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator import validate as validate_document
from werkzeug.test import TestResponse

from auth_api.accounts import InvalidAccount, Registration, validate
from auth_api.openapi import DOCUMENT
from auth_api.tokens import AccessToken
from shared.http.openapi import POLICY
from shared.store import StoreUnavailable
from support import openapi
from support.auth_api import PASSWORD, AuthService, write_key

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


@pytest.fixture
def auth(tmp_path: Path) -> AuthService:
    write_key(tmp_path, "a")
    return AuthService(tmp_path)


def hold(answer: TestResponse, path: str, method: str) -> None:
    """Assert that the document declares this response's status, content type, members, and the problem's type."""
    declared = openapi.response(DOCUMENT, path, method, answer.status_code).get("content", {})
    if not declared:
        assert answer.data == b""
        return
    (content_type,) = declared
    assert answer.content_type == content_type
    openapi.check(DOCUMENT, declared[content_type]["schema"], answer.get_json())
    if answer.status_code >= 400:
        assert answer.get_json()["type"] in declared[content_type]["examples"]


def test_document_is_valid_openapi_3_1() -> None:
    validate_document(DOCUMENT, cls=OpenAPIV31SpecValidator)


def test_every_example_matches_its_schema() -> None:
    shown = list(openapi.examples(DOCUMENT))

    assert len(shown) >= 15
    for schema, value in shown:
        openapi.check(DOCUMENT, schema, value)


def test_registration_with_the_documented_example_succeeds(auth: AuthService) -> None:
    body = DOCUMENT["paths"]["/api/users"]["post"]["requestBody"]["content"]["application/json"]["example"]

    assert auth.register(body["username"], body["password"]).status_code == 201


def test_document_has_exactly_the_served_routes(auth: AuthService) -> None:
    described = {(path, method.upper()) for path, item in DOCUMENT["paths"].items() for method in item}
    rules = [r for r in auth.client.application.url_map.iter_rules() if r.endpoint.startswith("auth.")]
    served = {(rule.rule, method) for rule in rules for method in (rule.methods or set()) - {"HEAD"}}

    assert described == served


def test_schemas_have_the_fields_of_the_models() -> None:
    for schema, model in (("Registration", Registration), ("AccessToken", AccessToken)):
        fields = {field.encode_name for field in msgspec.structs.fields(model)}
        assert set(SCHEMAS[schema]["properties"]) == set(SCHEMAS[schema]["required"]) == fields


@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", PASSWORD), ("Alice", PASSWORD), ("a" * 65, PASSWORD), ("alice", "short"), ("alice", "x" * 129)],
)
def test_registration_schema_and_rules_accept_the_same_values(name: str, password: str) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMAS["Registration"])
    try:
        validate(Registration(name, password))
        taken = True
    except InvalidAccount:
        taken = False

    assert validator.is_valid({"username": name, "password": password}) is taken


def test_document_declares_the_responses_to_a_registration(auth: AuthService) -> None:
    answers = [auth.register(), auth.register(), auth.register("bob", "short"), auth.client.post("/api/users")]
    answers += [
        auth.client.post("/api/users", data=b"{", content_type="application/json"),
        auth.client.post("/api/users", data=b" " * 70_000, content_type="application/json"),
    ]
    auth.users.error = StoreUnavailable()
    answers.append(auth.register("carol"))

    assert [a.status_code for a in answers] == [201, 409, 422, 415, 400, 413, 503]
    for answer in answers:
        hold(answer, "/api/users", "post")


def test_document_declares_the_responses_to_a_login(auth: AuthService) -> None:
    auth.register()
    answers = [auth.token(), *(auth.token(password=f"wrong guess {n}") for n in range(11))]
    auth.users.error = StoreUnavailable()
    answers.append(auth.token(address="192.0.2.7"))

    assert [a.status_code for a in answers] == [200, *[401] * 10, 429, 503]
    for answer in answers:
        hold(answer, "/api/token", "get")


def test_document_declares_the_responses_of_the_key_endpoint(auth: AuthService, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    answer = auth.client.get("/.well-known/jwks.json")
    answers = [
        answer,
        auth.client.get("/.well-known/jwks.json", headers={"If-None-Match": answer.headers["ETag"]}),
        AuthService(tmp_path / "empty").client.get("/.well-known/jwks.json"),
    ]

    assert [a.status_code for a in answers] == [200, 304, 503]
    for each in answers:
        hold(each, "/.well-known/jwks.json", "get")


def test_api_page_loads_nothing_from_other_hosts(auth: AuthService) -> None:
    document = auth.client.get("/api/openapi.json")
    moved = auth.client.get("/api/docs")
    page = auth.client.get(moved.headers["Location"], headers={"Host": "evil.example"})

    assert document.get_json() == DOCUMENT
    assert (moved.status_code, moved.headers["Location"]) == (308, "/api/docs/")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert page.headers["Content-Security-Policy"].startswith(f"{POLICY}; script-src 'self' 'sha256-")
    assert b"evil.example" not in page.data
    assert not any(scheme in page.data for scheme in (b"http://", b"https://", b'="//'))
