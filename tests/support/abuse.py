"""Both APIs in one process, for tests with hostile requests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from support.auth_api import PASSWORD, AuthService, write_key
from support.order_api import OrderService, order

MEMBERS = {"type", "title", "status", "detail", "instance", "request_id"}


@dataclass(frozen=True)
class Target:
    """An endpoint that accepts a JSON body, and a body that succeeds."""

    name: str
    method: str
    path: str
    good: dict[str, Any]


TARGETS = (
    Target("register", "POST", "/api/users", {"username": "carol", "password": PASSWORD}),
    Target("place", "POST", "/order", order()),
    Target("read", "GET", "/orderdetails", {"userid": "alice"}),
)


class BothApis:
    """auth-api with the registered user alice, and order-api with her token."""

    def __init__(self, folder: Path) -> None:
        write_key(folder, "k1")
        self.auth = AuthService(folder)
        self.auth.register("alice")
        self.orders = OrderService(folder)

    def send(self, target: Target, body: bytes, content_type: str = "application/json", **headers: str) -> TestResponse:
        service = self.auth if target.name == "register" else self.orders
        token = {} if target.name == "register" else self.orders.bearer()
        return service.client.open(
            target.path, method=target.method, data=body, content_type=content_type, headers=token | headers
        )


def assert_rejected(answer: TestResponse, *statuses: int) -> None:
    """Assert that the response is a problem document with one of the statuses, and leaks no internals."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:500])
    assert answer.content_type == "application/problem+json"
    document = answer.get_json()
    assert set(document) >= MEMBERS
    assert document["status"] == answer.status_code
    assert not any(word in answer.text for word in ("Traceback", "File \\", ".py", "site-packages", "Error("))
