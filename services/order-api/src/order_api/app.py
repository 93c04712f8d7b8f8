"""All wiring of order-api: what gunicorn starts, and what tests start with fakes."""

import os
import secrets
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Protocol

from flask import Flask
from prometheus_client import CollectorRegistry

from order_api import openapi, routes
from order_api import placement as placing
from order_api import token_verifier as tokens
from order_api.jwks import KeyCache, fetcher
from order_api.long_poll import Waiting
from order_api.orders import Document
from order_api.outbox import Markers
from order_api.placement import Placing
from order_api.publisher import Delivery, Fault, Sink
from order_api.relay import Publisher
from order_api.routes import Routes
from order_api.settings import Settings
from order_api.store import OrderStore, StoreUnavailable
from order_api.token_verifier import Tokens
from shared import kafka, mongo
from shared.http import app as web
from shared.http import openapi as docs
from shared.resilience.breaker import Breaker
from shared.resilience.startup import StartupTask
from shared.telemetry import certificates, log
from shared.telemetry.admin import AdminServer
from shared.telemetry.metrics import BreakerMetrics, CertificateMetrics, HttpMetrics, OrderMetrics

SPARE_CONNECTIONS = 4  # for the publisher, the preparation and the probes
PUBLISHER_SILENCE_SECONDS = 45.0  # longer than a round in which MongoDB times out, if no batch goes one by one


class Orders(placing.Orders, routes.Orders, Protocol):
    """Everything that a request asks of the orders."""


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    store: Orders,
    keys: tokens.Keys,
    offer: Callable[[Document], None],
    waiting: Waiting,
    metrics: OrderMetrics,
    registry: CollectorRegistry,
    now: Callable[[], datetime] = utc_now,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> Flask:
    """Return the API on the given store; `offer` takes the event of each stored order, and never waits."""
    app = Flask("order_api", static_folder=None)
    web.init_app(app, metrics=HttpMetrics(registry), trusted_proxies=settings.trusted_proxies)
    web.register_problems(app, routes.PROBLEMS)
    views = Routes(
        store=store,
        placing=Placing(store, offer, metrics, now, randomness),
        waiting=waiting,
        required=Tokens(app, keys, issuer=settings.issuer, audience=settings.audience).required,
        require_token=settings.require_token,
        currencies=settings.currencies,
    )
    app.register_blueprint(views.blueprint())
    description = openapi.document(
        require_token=settings.require_token,
        currencies=settings.currencies,
        version=version("retail-orders-order-api"),
    )
    docs.register(app, description)
    return app


def wsgi() -> Flask:
    """Return the API on MongoDB and Kafka, all its threads started; called by gunicorn in its worker, after the fork.

    `extensions["shutdown"]` finishes what is in hand and closes what this opened.
    """
    settings = Settings.from_env(os.environ)
    log.configure("order-api", settings.log_level)
    registry = CollectorRegistry()
    metrics = OrderMetrics(registry)
    breaker_metrics = BreakerMetrics(registry)
    certificates.watch(
        CertificateMetrics(registry),
        {"mongodb-ca": settings.mongodb_ca_file, "kafka-ca": settings.kafka_ca_file, "jwks-ca": settings.jwks_ca_file},
    )
    database = mongo.connect(
        settings.mongodb_uri,
        ca_file=settings.mongodb_ca_file,
        database=settings.mongodb_database,
        app_name="order-api",
        pool=settings.http_threads + SPARE_CONNECTIONS,
    )
    mongodb_breaker = Breaker("mongodb", breaker_metrics, is_failure=mongo.is_failure)
    store = OrderStore(database, mongodb_breaker)
    delivery = Delivery(partial(_producer, settings), breaker=Breaker("kafka", breaker_metrics), metrics=metrics)
    publisher = Publisher(Markers(database, mongodb_breaker), delivery, metrics=metrics)
    keys = KeyCache(fetcher(settings.jwks_url, settings.jwks_ca_file))
    waiting = Waiting(settings.http_threads)
    app = create_app(
        settings, store=store, keys=keys, offer=publisher.offer, waiting=waiting, metrics=metrics, registry=registry
    )
    keys.start()
    publisher.start()
    preparation = StartupTask(store.prepare)
    needed_keys = keys if settings.require_token else None
    admin = AdminServer(
        settings.admin_bind,
        registry,
        live=partial(stall, publisher),
        ready=partial(trouble, store, needed_keys),
    )

    def shutdown() -> None:
        admin.close()
        preparation.close()
        keys.close()
        publisher.close()
        database.client.close()

    app.extensions["shutdown"] = shutdown
    _stop_waiting_at_sigterm(waiting)
    return app


def stall(publisher: Publisher) -> str | None:
    """Say that the publisher's loop stands still; None while it goes round."""
    age = publisher.age
    return f"the publisher's last round was {age:.0f} s ago" if age > PUBLISHER_SILENCE_SECONDS else None


def trouble(store: OrderStore, keys: KeyCache | None) -> str | None:
    """Say in a sentence why this process cannot serve; None if it can. Asks MongoDB, at most 1.3 s; never raises.

    `keys` is None where no token is needed to place an order. Kafka is not asked: orders are taken without it.
    """
    if not store.is_confirmed:
        return "the indexes in MongoDB are not confirmed yet"
    if keys is not None and not keys.is_present:
        return "the keys of auth-api are not here yet"
    try:
        store.ping()
    except StoreUnavailable as error:
        return str(error)
    return None


def _producer(settings: Settings, on_error: Callable[[Fault], None]) -> Sink:
    return kafka.producer(settings.kafka, on_error, **kafka.WITH_CLIENT_LOG)  # the publisher polls it every round


def _stop_waiting_at_sigterm(waiting: Waiting) -> None:
    """Let requests that wait for a status be answered when the stop begins: gunicorn's own handler comes after."""
    before = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: object) -> None:
        waiting.stop()
        if callable(before):
            before(number, frame)  # type: ignore[arg-type]

    signal.signal(signal.SIGTERM, handle)
