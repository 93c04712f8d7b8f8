"""A customer who uses the APIs over HTTPS."""

import itertools
import secrets
import ssl
from pathlib import Path
from typing import Any

import httpx

from support import wait

ORDER: dict[str, Any] = {"cost": "7.50", "orderitems": ["apple", {"item": "pear", "quantity": 3}]}
_numbers = itertools.count(1)


def https(base_url: str, ca: Path | str, **options: Any) -> httpx.Client:
    """Return a client that trusts only the given certificate authority."""
    options.setdefault("timeout", 35)
    return httpx.Client(base_url=base_url, verify=ssl.create_default_context(cafile=str(ca)), **options)


class Customer:
    """A registered user with a token. Threads may share it."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.name = f"customer-{next(_numbers)}-{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(12)
        http.post("/api/users", json={"username": self.name, "password": self.password}).raise_for_status()
        self.token = http.get("/api/token", auth=(self.name, self.password)).raise_for_status().json()["access_token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def post(self, order: dict[str, Any] | None = None, key: str | None = None, **more: Any) -> httpx.Response:
        """Send POST /order, by default with a valid order of this customer."""
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return self.http.post("/order", json={"userid": self.name, **ORDER, **(order or {})} | more, headers=headers)

    def get(self, **query: Any) -> httpx.Response:
        """Send GET /orderdetails."""
        return self.http.get("/orderdetails", params=query, headers=self.headers)

    def place(self, **more: Any) -> str:
        """Place an order that must be accepted, and return its reference."""
        answer = self.post(**more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["order_reference"])

    def processed(self, reference: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until the order is PROCESSED, and return it."""

        def order() -> dict[str, Any] | None:
            answer = self.get(orderid=reference, wait=5)
            document: dict[str, Any] = answer.json()
            return document if answer.status_code == 200 and document["status"] == "PROCESSED" else None

        return wait.until(order, f"order {reference} PROCESSED", seconds=seconds)
