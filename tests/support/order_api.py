"""order-api over MongoDB in memory, for tests that send requests to it."""

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

from fakes.mongo_client import FakeDatabase
from fakes.replica_set import Failure, ReplicaSet
from order_api.app import create_app
from order_api.jwks import JwksCache
from order_api.jwks_fetch import JwksFetchFailed, Keys, parse
from order_api.long_poll import LongPoll
from order_api.metrics import OrderMetrics
from order_api.orders import Document
from order_api.settings import Settings
from order_api.store import OrderStore
from shared import mongo
from shared.resilience.breaker import CONSECUTIVE_FAILURES, OPEN_SECONDS, Breaker
from shared.telemetry.metrics import BreakerMetrics, ResourceMetrics
from shared.telemetry.tracing import OFF, Tracer
from support.clock import Clock
from support.pki import authority


class FakeJwksServer:
    """auth-api's key set as order-api sees it. It may change, or be unavailable."""

    def __init__(self) -> None:
        self.private = {"k1": Ed25519PrivateKey.generate()}
        self.is_up = True
        self.fetches = 0
        self.body: bytes | None = None  # if set, it is parsed as auth-api's response

    def fetch(self) -> Keys:
        self.fetches += 1
        if not self.is_up:
            raise JwksFetchFailed("unavailable")
        if self.body is not None:
            return parse(self.body)
        return {kid: key.public_key() for kid, key in self.private.items()}

    def rotate(self, kid: str) -> None:
        """Publish one more key."""
        self.private[kid] = Ed25519PrivateKey.generate()

    def token(self, user: str, kid: str = "k1", *, typ: str = "at+jwt", **changes: Any) -> str:
        """Sign a valid token with `changes` to its claims; None leaves a claim out."""
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
    """Return settings for tests that contact neither MongoDB nor Kafka, without rate limits."""
    ca = folder / "ca.crt"
    ca.write_bytes(authority())
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
    """Return the body of a valid order of alice, with `changes`."""
    return {"userid": "alice", "cost": "12.50", "orderitems": ["apple"]} | changes


@dataclass
class OrderService:
    """One replica of order-api. Several may share `servers`; `enqueued` holds the orders whose events it enqueued."""

    folder: Path
    servers: ReplicaSet = field(default_factory=lambda: ReplicaSet(lambda: datetime.now(UTC)))
    server: FakeJwksServer = field(default_factory=FakeJwksServer)
    environ: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    enqueued: list[Document] = field(default_factory=list)
    has_room: bool = True
    tracer: Tracer = OFF
    has_indexes: bool = True
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        numbers = count()
        metrics = BreakerMetrics(self.registry)
        breaker, list_breaker = (
            Breaker(name, metrics, is_failure=mongo.is_failure, clock=self.clock.seconds)
            for name in ("mongodb", "mongodb-lists")
        )
        database: Any = FakeDatabase(self.servers)
        self.store = OrderStore(database, breaker, list_breaker)
        if self.has_indexes:
            self.store.prepare()
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
            resources=ResourceMetrics(self.registry),
            tracer=self.tracer,
            now=self.clock,
            randomness=lambda size: next(numbers).to_bytes(size, "big"),
        )
        self.client = app.test_client()

    @property
    def documents(self) -> dict[str, Document]:
        """All orders by id, as the primary has them."""
        return self.servers.primary

    def change(self, order_id: str, update: Document) -> None:
        """Update an order as another service does, with majority write concern."""
        self.servers.update({"_id": order_id}, update, many=False)
        self.servers.replicate()

    def fail_next(self, operation: str, failure: Failure) -> None:
        """Let the next MongoDB operation of this name fail in this way."""

        def meet(name: str) -> Failure | None:
            if name != operation:
                return None
            self.servers.before_operation = lambda _: None
            return failure

        self.servers.before_operation = meet

    def stop_mongodb(self) -> None:
        """Let every operation find no primary, and open both breakers; they stay open for another 3.2 seconds."""
        self.servers.before_operation = lambda _: Failure.NO_PRIMARY
        for _ in range(CONSECUTIVE_FAILURES):
            self.read("?orderid=a")
            self.read("?userid=alice")
        self.clock.advance(OPEN_SECONDS - 3.2)

    def enqueue(self, record: Document) -> None:
        if self.has_room:
            self.enqueued.append(record)

    def bearer(self, user: str = "alice", **changes: Any) -> dict[str, str]:
        """Return the header of a token for `user`."""
        return {"Authorization": f"Bearer {self.server.token(user, **changes)}"}

    def place(self, body: Any = None, *, user: str = "alice", key: str | None = None, **headers: str) -> Any:
        """POST an order and return werkzeug's TestResponse. A `body` of bytes is sent unchanged."""
        sent = body if isinstance(body, bytes) else json.dumps(order() if body is None else body)
        extra = headers | ({} if key is None else {"Idempotency-Key": key})
        return self.client.post("/order", data=sent, content_type="application/json", headers=self.bearer(user) | extra)

    def read(self, query: str = "", *, user: str = "alice", body: Any = None, **headers: str) -> Any:
        """GET /orderdetails with a query string, or with a JSON body."""
        sent = {} if body is None else {"json": body}
        return self.client.get(f"/orderdetails{query}", headers=self.bearer(user) | headers, **sent)

    def count(self, name: str, **labels: str) -> float:
        """Return the value of a metric's sample, or 0."""
        return self.registry.get_sample_value(name, labels) or 0.0


def process(service: OrderService, order_id: str) -> None:
    """Change an order to PROCESSED, as order-processor does."""
    at = service.clock.now + timedelta(seconds=1)
    entry = {"status": "PROCESSED", "at": at, "by": "order-processor", "reason": None}
    changes = {"status": "PROCESSED", "version": 2, "processed_at": at}
    service.change(order_id, {"$set": changes, "$push": {"history": entry}})
