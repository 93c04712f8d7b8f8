"""A run of the whole system with secrets in every field of requests, events and settings."""

import base64
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from pymongo.errors import DuplicateKeyError

from faults.harness import topic
from local_stack.catalog import SERVICES
from local_stack.stack import Stack, StackOptions
from shared import kafka
from shared.ordering import schema
from shared.ordering.dead_letter import PREFIX
from shared.ordering.events import DEAD_LETTER_TOPIC, TOPIC
from support.customer import Customer, https
from support.otlp_receiver import receiver
from support.servers import connection, database
from support.wait import until

NAMES = ("wrong", "bearer", "query", "line", "header", "body", "item", "key", "poison", "collector")
MIN_LENGTH = 12


def _planted() -> dict[str, str]:
    return {name: f"{name}-{secrets.token_hex(8)}" for name in NAMES}


@dataclass
class PlantedRun:
    """The secrets of a run by name, and the texts that the run left, by the place where they were found."""

    planted: dict[str, str] = field(default_factory=_planted)
    left: dict[str, list[bytes]] = field(default_factory=dict)
    export_headers: list[dict[str, str]] = field(default_factory=list)

    def leaks(self, place: str, *, but: tuple[str, ...] = ()) -> list[str]:
        """Return each secret found in a place, with the text around it; secrets named in `but` are expected there."""
        texts = self.left[place]
        assert texts, f"nothing was left in {place}"
        searched = [(name, secret.encode()) for name, secret in self.planted.items() if name not in but]
        return [f"{name} in {text[:300]!r}" for text in texts for name, secret in searched if secret in text]


def run(root: Path) -> PlantedRun:
    """Run the system with debug logs and all traces, use the secrets and cause failures; return the texts it leaves."""
    result = PlantedRun()
    with receiver() as collector:
        environ = {
            "LOG_LEVEL": "debug",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={result.planted['collector']}",
            "OTEL_TRACES_SAMPLER_ARG": "1",
        }
        options = StackOptions(root=root, counts={"order-api": 1}, extra_env=dict.fromkeys(SERVICES, environ))
        with Stack(options) as stack, https(stack.base_url, stack.ca) as client:
            result.planted |= _credentials(root)
            result.left["error bodies"] = _attack(stack, client, result.planted)
            result.left["process lists"] = _command_lines(stack)
            result.left["metrics"] = [_metrics(service["admin_url"]) for service in stack.file["services"]]
            result.left["events"] = [part for m in topic.messages(stack, TOPIC) for part in _parts(m)]
            result.left["dead letters"] = _own_headers(stack)
        result.left["traces"] = collector.bodies  # complete only after the services have stopped
        result.export_headers = collector.headers
        result.left["logs"] = [line for log in (root / "log").iterdir() for line in log.read_bytes().splitlines()]
    return result


def _credentials(root: Path) -> dict[str, str]:
    """Return by file name the secrets of MongoDB and Kafka, and a line of each private key that signs tokens."""
    texts = {file.name: file.read_text().strip() for file in (root / "secrets").iterdir()}
    found = {name: urlsplit(text).password or text if "://" in text else text for name, text in texts.items()}
    found |= {file.name: file.read_text().splitlines()[1] for file in (root / "keys").iterdir()}
    return {name: secret for name, secret in found.items() if len(secret) >= MIN_LENGTH}


def _attack(stack: Stack, client: httpx.Client, planted: dict[str, str]) -> list[bytes]:
    """Send secrets in requests and events, also during outages; return the bodies of the error responses."""
    customer = Customer(client)
    planted |= {"password": customer.password, "token": customer.token}
    order = {"userid": customer.name, "cost": "7.50", "orderitems": [planted["item"]]}
    keyed = customer.headers | {"Idempotency-Key": planted["key"]}
    customer.processed(client.post("/order", json=order, headers=keyed).raise_for_status().json()["orderid"])
    answers = [*_bad_requests(client, customer, order, keyed, planted)]
    bodies = [answer.content for answer in answers] + _raw_requests(stack, planted)
    assert {answer.status_code // 100 for answer in answers} == {4}, [answer.text for answer in answers]
    _poison(stack, planted["poison"])
    bodies.append(_duplicate(stack, client, customer, order))
    _rejected_update(stack, customer, order)
    stack.stop("order-api-0")  # so that the proxy responds itself, with its own problem documents
    bodies.append(_unavailable(client.get("/orderdetails", params={"cursor": planted["query"]}, headers=keyed)))
    bodies.append(
        _unavailable(client.post(f"/order?{planted['query']}", json=order | {"x": "x" * 20_000}, headers=keyed))
    )
    stack.start("order-api-0")
    stack.stop("mongodb-0")
    bodies.append(_unavailable(client.post("/order", json=order, headers=customer.headers)))
    bodies.append(_unavailable(client.get("/api/token", auth=(customer.name, customer.password))))
    stack.start("mongodb-0")
    stack.await_ready()
    return bodies


def _duplicate(stack: Stack, client: httpx.Client, customer: Customer, order: dict[str, Any]) -> bytes:
    """Place an order while a unique index makes MongoDB reject it and quote its item; return the response."""
    with database(stack, "admin") as admin:
        orders = admin[schema.COLLECTION]
        index = orders.create_index("orderitems.item", unique=True, partialFilterExpression={"userid": customer.name})
        found: Any = orders.find_one({"userid": customer.name})
        try:
            with pytest.raises(DuplicateKeyError, match=order["orderitems"][0]):
                orders.insert_one(found | {"_id": "another", "idempotency": found["idempotency"] | {"key": "another"}})
            return _unavailable(client.post("/order", json=order, headers=customer.headers))
        finally:
            orders.drop_index(index)


def _rejected_update(stack: Stack, customer: Customer, order: dict[str, Any]) -> None:
    """Let MongoDB reject the update of an order, with an error that quotes the order, until it is FAILED."""
    unprocessed = {"$or": [{"status": {"$ne": "PROCESSED"}}, {"userid": {"$ne": customer.name}}]}
    with database(stack, "admin") as admin:
        admin.command("collMod", schema.COLLECTION, validator={"$and": [schema.VALIDATOR, unprocessed]})
        try:
            order_id = customer.http.post("/order", json=order, headers=customer.headers).json()["orderid"]
            until(lambda: customer.get(orderid=order_id).json()["status"] == "FAILED", "the order FAILED", seconds=60)
        finally:
            admin.command("collMod", schema.COLLECTION, validator=schema.VALIDATOR)


def _bad_requests(
    client: httpx.Client, customer: Customer, order: dict[str, Any], keyed: dict[str, str], planted: dict[str, str]
) -> list[httpx.Response]:
    own = dict.fromkeys(("X-Secret", "User-Agent", "Referer", "Cookie", "X-Request-ID"), planted["header"] + " ;")
    wrong = base64.b64encode(f"{customer.name}:{planted['wrong']}".encode()).decode()
    name = {"username": customer.name}
    return [
        client.get("/api/token", headers={"Authorization": f"Basic {wrong}"} | own),
        client.get("/api/token", headers={"Authorization": f"Basic {planted['wrong']}"} | own),
        client.get("/orderdetails", headers={"Authorization": f"Bearer {planted['bearer']}"} | own),
        client.get("/orderdetails", params={"userid": customer.name, "cursor": planted["query"]}, headers=keyed),
        client.get(f"/nowhere?access_token={planted['query']}"),
        client.post("/order", json=order | {"cost": planted["body"]}, headers=keyed),
        client.post("/order", json=order | {"cost": "1"}, headers=keyed),
        client.post("/order", content=f'{{"a": "{planted["body"]}"', headers=keyed),
        client.post("/api/users", json=name | {"password": customer.password}),
        client.post("/api/users", json=name | {"password": {"a": planted["body"]}}),
    ]


def _raw_requests(stack: Stack, planted: dict[str, str]) -> list[bytes]:
    """Send malformed request lines and headers with secrets directly to every service; return the responses."""
    line, header = planted["line"], planted["header"]
    requests = [
        f"GET /{line} {line} HTTP/1.1\r\n\r\n",
        f"GET /order HTTP/{line}\r\n\r\n",
        f"GET /order HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n",
        f"GET /order HTTP/1.1\r\nHost: a\r\nx_{header}: 1\r\n\r\n",
    ]
    urls = [service["url"] for service in stack.file["services"] if service.get("url")]
    assert len(urls) == 2
    admin = [service["admin_url"] for service in stack.file["services"]]
    return [_raw(url, request) for url in [*urls, *admin] for request in requests]


def _raw(url: str, request: str) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connected:
        connected.sendall(request.encode())
        answer = b"".join(iter(lambda: connected.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2]


def _poison(stack: Stack, secret: str) -> None:
    """Send an event that cannot be decoded, and wait for its dead letter."""
    producer = kafka.producer(connection(stack, "order-api"), lambda _: None)
    headers: Any = [("ce_type", b"retail.order.placed.v1"), (secret, secret.encode())]
    producer.produce(TOPIC, key=secret.encode(), value=f'{{"orderid": 1, "{secret}": "{secret}"}}', headers=headers)
    assert producer.flush(30) == 0
    until(lambda: topic.messages(stack, DEAD_LETTER_TOPIC), "the dead letter", seconds=60)


def _unavailable(answer: httpx.Response) -> bytes:
    assert answer.status_code == 503, answer.text
    return answer.content


def _command_lines(stack: Stack) -> list[bytes]:
    """Return the command line of every process of the system."""
    processes = [
        p for pid in stack.pids.values() for p in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
    ]
    return [" ".join(process.cmdline()).encode() for process in processes]


def _metrics(admin_url: str) -> bytes:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    return httpx.get(f"{admin_url}/metrics", headers=accept, timeout=10).raise_for_status().content


def _parts(message: kafka.Message) -> list[bytes]:
    return [str(message.value()).encode(), str(topic.headers(message)).encode()]


def _own_headers(stack: Stack) -> list[bytes]:
    """Return the values of the headers that order-processor added to dead letters; the rest is the original event."""
    headers = [pair for message in topic.messages(stack, DEAD_LETTER_TOPIC) for pair in topic.headers(message)]
    return [value or b"" for name, value in headers if name.startswith(PREFIX)]
