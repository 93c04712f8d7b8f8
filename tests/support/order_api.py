"""order-api on fakes, as tests talk to it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from fakes.orders import FakeOrders
from order_api.app import create_app
from order_api.jwks import JwksCache, JwksFetchFailed, Keys
from order_api.long_poll import LongPoll
from order_api.metrics import OrderMetrics
from order_api.orders import Document
from order_api.settings import Settings
from support.clock import Clock


class FakeJwksServer:
    """auth-api as order-api sees it: a key set that may change, or be away."""

    def __init__(self) -> None:
        self.private = {"k1": Ed25519PrivateKey.generate()}
        self.is_up = True
        self.fetches = 0

    def fetch(self) -> Keys:
        self.fetches += 1
        if not self.is_up:
            raise JwksFetchFailed("away")
        return {kid: key.public_key() for kid, key in self.private.items()}

    def rotate(self, kid: str) -> None:
        """Publish one more key."""
        self.private[kid] = Ed25519PrivateKey.generate()

    def token(self, user: str, kid: str = "k1", *, typ: str = "at+jwt", **changes: Any) -> str:
        """Sign a token that order-api takes, but for `changes` to its claims (None leaves a claim out)."""
        now = datetime.now(UTC)
        claims = {
            "iss": "retail-orders",
            "aud": "retail-orders",
            "sub": user,
            "iat": now,
            "exp": now + timedelta(minutes=15),
            "jti": "1",
            "type": "access",
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, self.private[kid], "EdDSA", headers={"kid": kid, "typ": typ})


def settings(folder: Path, **values: str) -> Settings:
    """Return settings for a service that asks neither MongoDB nor Kafka, and limits no rate."""
    ca = folder / "ca.crt"
    ca.touch()
    environ = {
        "MONGODB_URI": "mongodb://nowhere",
        "MONGODB_CA_FILE": str(ca),
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere:9092",
        "KAFKA_USERNAME": "order-api",
        "KAFKA_PASSWORD": "secret",
        "KAFKA_CA_FILE": str(ca),
        "AUTH_JWKS_URL": "https://nowhere/.well-known/jwks.json",
        "AUTH_JWKS_CA_FILE": str(ca),
        **dict.fromkeys(("RATE_LIMIT_ORDERS", "RATE_LIMIT_READS", "RATE_LIMIT_INVALID_TOKENS"), "999999/999999"),
    }
    return Settings.from_env(environ | values)


def order(**changes: Any) -> dict[str, Any]:
    """Return the body of a good order of alice's."""
    return {"userid": "alice", "cost": "12.50", "orderitems": ["apple"]} | changes


@dataclass
class OrderService:
    """One replica of order-api on a store that several may share; `enqueued` has the orders whose event it queued."""

    folder: Path
    store: Any = field(default_factory=FakeOrders)
    server: FakeJwksServer = field(default_factory=FakeJwksServer)
    environ: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    enqueued: list[Document] = field(default_factory=list)
    has_room: bool = True
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        numbers = count()
        self.long_poll = LongPoll(8)
        self.keys = JwksCache(self.server.fetch, clock=self.clock.seconds, jitter=lambda: 0.0)
        self.keys.refresh()
        app = create_app(
            settings(self.folder, **self.environ),
            store=self.store,
            keys=self.keys,
            enqueue=self.enqueue,
            long_poll=self.long_poll,
            metrics=OrderMetrics(self.registry),
            registry=self.registry,
            now=self.clock,
            randomness=lambda size: next(numbers).to_bytes(size, "big"),
        )
        self.client = app.test_client()

    def enqueue(self, record: Document) -> None:
        if self.has_room:
            self.enqueued.append(record)

    def bearer(self, user: str = "alice", **changes: Any) -> dict[str, str]:
        """Return the header of a token for `user`."""
        return {"Authorization": f"Bearer {self.server.token(user, **changes)}"}

    def place(self, body: Any = None, *, user: str = "alice", key: str | None = None, **headers: str) -> Any:
        """POST an order; `body` is sent as it is when it is bytes. The answer is a werkzeug TestResponse."""
        sent = body if isinstance(body, bytes) else json.dumps(order() if body is None else body)
        extra = headers | ({} if key is None else {"Idempotency-Key": key})
        return self.client.post("/order", data=sent, content_type="application/json", headers=self.bearer(user) | extra)

    def read(self, query: str = "", *, user: str = "alice", body: Any = None, **headers: str) -> Any:
        """GET /orderdetails with a query string, or with a JSON body."""
        sent = {} if body is None else {"json": body}
        return self.client.get(f"/orderdetails{query}", headers=self.bearer(user) | headers, **sent)

    def count(self, name: str, **labels: str) -> float:
        """Return a metric's value."""
        return self.registry.get_sample_value(name, labels) or 0.0
