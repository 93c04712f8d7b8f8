"""Sends requests with secrets in every field to both APIs, which log to standard output as in production.

tests/api/test_abuse_secrets.py runs it. Responses and metrics are written to the file that the first argument names,
one JSON string per line.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn
from unittest.mock import patch

from prometheus_client import generate_latest
from pymongo.errors import AutoReconnect

from shared.telemetry import log
from support.abuse import BothApis
from support.auth_api import basic
from support.order_api import order

SECRET = "canary-7f3a"


def main(folder: Path, answers: Path) -> None:
    """Send all requests, and write the responses and metrics."""
    log.configure("canary", "debug")
    both = BothApis(folder)
    texts = [answer.text for answer in tour(both)]
    texts += [str(dict(answer.headers)) for answer in tour(both)]
    texts += [generate_latest(service.registry).decode() for service in (both.auth, both.orders)]
    answers.write_text("\n".join(json.dumps(text) for text in texts), encoding="utf-8")


def tour(both: BothApis) -> list[Any]:
    """Send requests that each contain a secret, and return the responses."""
    auth, orders, bearer = both.auth.client, both.orders.client, both.orders.bearer()
    token = {"Authorization": f"Bearer {SECRET}.{SECRET}.{SECRET}"}
    own = {"X-Secret": SECRET, "Cookie": f"session={SECRET}", "User-Agent": SECRET, "Referer": f"https://{SECRET}"}
    answers = [
        auth.post("/api/users", json={"username": "carol", "password": f"{SECRET}-password"}, headers=own),
        auth.post("/api/users", json={"username": "carol", "password": f"{SECRET}-password"}),
        auth.post("/api/users", json={"username": "carol", "password": SECRET[:5]}),
        auth.post("/api/users", json={"username": "carol", "password": SECRET * 50}),
        auth.post("/api/users", data=f'{{"password": "{SECRET}"', content_type="application/json"),
        auth.post("/api/users", data=f'{{"a": "{SECRET}", "a": 1}}', content_type="application/json"),
        auth.post("/api/users", json={"username": "carol", "password": {"x": SECRET}}),
        auth.post("/api/users", data=SECRET, content_type="text/plain"),
        auth.get("/api/token", headers=basic("carol", f"{SECRET}-password") | own),
        auth.get("/api/token", headers=basic("carol", f"{SECRET}-wrong")),
        auth.get("/api/token", headers=basic(SECRET, SECRET)),  # a password in the user name's field
        auth.get("/api/token", headers={"Authorization": f"Basic {SECRET}"}),
        auth.get("/api/token", headers=token),
        orders.get("/orderdetails?userid=alice", headers=token | own),
        orders.get(f"/orderdetails?orderid={SECRET}", headers=bearer | {"X-Request-ID": f"{SECRET} {SECRET}"}),
        orders.get(f"/nowhere?token={SECRET}", headers=bearer),
        orders.get(f"/orderdetails?userid=alice&cursor={SECRET}", headers=bearer),
        orders.get(f"/orderdetails?orderid=x&wait={SECRET}", headers=bearer),
        orders.post("/order", json=order(cost=SECRET), headers=bearer),
        orders.post("/order", json=order(orderitems=[{"item": {"x": SECRET}}]), headers=bearer),
        orders.post("/order", data=f"[{SECRET}", headers=bearer, content_type="application/json"),
        orders.post("/order", json=order(), headers=bearer | {"Idempotency-Key": f'"{SECRET}'}),
        orders.post("/order", json=order(), headers=bearer | {"Idempotency-Key": SECRET}),
    ]
    return [*answers, *broken(both)]


def broken(both: BothApis) -> list[Any]:
    """Send requests while auth-api's store raises one error, then another, and while order-api's store fails."""
    answers = []
    for error in (AutoReconnect("gone"), RuntimeError("internal error")):
        both.auth.users.error = error
        answers.append(both.auth.register("dave", f"{SECRET}-password"))
        answers.append(both.auth.token("alice", f"{SECRET}-password"))
        both.auth.users.error = None
    with patch.object(both.orders.store, "insert", defect):
        answers.append(both.orders.place(order(orderitems=[SECRET]), key=f"{SECRET}-2"))
    return answers


def defect(document: dict[str, Any]) -> NoReturn:
    """Raise an unexpected exception while a local variable holds the document."""
    raise RuntimeError("internal error with a document of " + str(len(document)))


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        main(Path(temporary), Path(sys.argv[1]))
