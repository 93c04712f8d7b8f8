"""All wiring of order-api: gunicorn starts `wsgi`, tests start `create_app` on fakes."""

import os
import secrets
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from flask import Flask
from prometheus_client import CollectorRegistry

from order_api import openapi, routes
from order_api.backlog import BacklogMonitor, BacklogReader
from order_api.cpu_affinity import CpuAffinity
from order_api.jwks import JwksCache
from order_api.jwks_fetch import make_fetcher
from order_api.long_poll import LongPoll
from order_api.metrics import OrderMetrics
from order_api.orders import Document
from order_api.outbox import Outbox
from order_api.placement import OrderPlacement
from order_api.publisher import EventPublisher
from order_api.rate_limit import RateLimits
from order_api.relay import QUEUE_LIMIT, OutboxRelay
from order_api.removal import EntryRemoval
from order_api.routes import Routes
from order_api.settings import Settings
from order_api.store import OrderStore
from order_api.token_verifier import TokenVerifier
from shared import kafka, mongo
from shared.http.app import init_app, register_problems
from shared.http.openapi import serve_document
from shared.http.proxy_statuses import count_proxy_statuses
from shared.resilience.breaker import Breaker
from shared.resilience.parallel_bisect import ParallelBisect
from shared.resilience.startup import StartupTask
from shared.store import INDEXES_PENDING, StoreUnavailable
from shared.telemetry import certificates, log
from shared.telemetry.admin import AdminServer
from shared.telemetry.metrics import BreakerMetrics, CertificateMetrics, HttpMetrics, ResourceMetrics
from shared.telemetry.registry import new_registry
from shared.telemetry.tracing import OFF, Tracer

SPARE_CONNECTIONS = 5  # two for the relay, one each for the start-up task, the backlog monitor and the probes
# Longer than a run of the relay in which MongoDB times out. Only a run that bisects a rejected update may take longer.
RELAY_STALLED_SECONDS = 45.0


def utc_now() -> datetime:
    """Return the current time in UTC, with its time zone."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    store: OrderStore,
    keys: JwksCache,
    enqueue: Callable[[Document], None],
    long_poll: LongPoll,
    metrics: OrderMetrics,
    registry: CollectorRegistry,
    resources: ResourceMetrics,
    tracer: Tracer = OFF,
    now: Callable[[], datetime] = utc_now,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> Flask:
    """Return the API on the given store; `enqueue` gets the document of each new order, and must not wait."""
    app = Flask("order_api", static_folder=None)
    init_app(
        app,
        metrics=HttpMetrics(registry),
        busy_threads=resources.track("http_threads", settings.http_threads),
        trusted_proxies=settings.trusted_proxies,
        tracer=tracer,
    )
    resources.watch("long_polls", long_poll.places, long_poll.in_use)
    register_problems(app, routes.PROBLEMS)
    limits = RateLimits.of(
        orders=settings.orders_rate, reads=settings.reads_rate, invalid_tokens=settings.invalid_tokens_rate
    )
    verifier = TokenVerifier(
        app, keys, issuer=settings.issuer, audience=settings.audience, invalid_tokens=limits.invalid_tokens
    )
    views = Routes(
        store=store,
        placement=OrderPlacement(store, enqueue, metrics, now, randomness, tracer),
        long_poll=long_poll,
        required=verifier.required,
        limits=limits,
        require_token=settings.require_token,
        currencies=settings.currencies,
    )
    app.register_blueprint(views.blueprint())
    description = openapi.document(
        require_token=settings.require_token,
        currencies=settings.currencies,
        version=version("retail-orders-order-api"),
    )
    serve_document(app, description)
    return app


def wsgi() -> Flask:
    """Return the API on MongoDB and Kafka, and start its threads; gunicorn's worker calls this after the fork.

    `extensions["shutdown"]` finishes the work in flight, and closes what this function opened.
    """
    settings = Settings.from_env(os.environ)
    log.configure("order-api", settings.log_level)
    registry = new_registry("order-api")
    tracer = Tracer.of(settings, service="order-api", trusts_clients=settings.tracing_trust_clients)
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
    list_breaker = Breaker("mongodb-lists", breaker_metrics, is_failure=mongo.is_failure)
    store = OrderStore(database, mongodb_breaker, list_breaker)
    publisher = EventPublisher(
        # a client with a log must always be polled: the relay polls it in every run
        partial(kafka.producer, settings.kafka, **kafka.WITH_CLIENT_LOG),
        breaker=Breaker("kafka", breaker_metrics, bursts_open=True),
        metrics=metrics,
        tracer=tracer,
    )
    two_threads = ParallelBisect()
    outbox = Outbox(database, mongodb_breaker, bisect=two_threads.bisect)
    relay = OutboxRelay(outbox, publisher, EntryRemoval(outbox))
    backlog_monitor = BacklogMonitor(BacklogReader(database, mongodb_breaker), metrics)
    fetch = make_fetcher(jwks_url=settings.jwks_url, ca_file=settings.jwks_ca_file)
    keys = JwksCache(fetch, refresh_seconds=settings.jwks_refresh_seconds)
    long_poll = LongPoll(settings.http_threads)
    resources = ResourceMetrics(registry)
    resources.watch("event_queue", QUEUE_LIMIT, relay.queue_length)
    resources.watch("producer_queue", kafka.PRODUCER_QUEUE, publisher.queue_length)
    app = create_app(
        settings,
        store=store,
        keys=keys,
        enqueue=relay.enqueue,
        long_poll=long_poll,
        metrics=metrics,
        registry=registry,
        resources=resources,
        tracer=tracer,
    )
    stop_counting = count_proxy_statuses(settings.proxy_status_bind, registry)
    affinity = CpuAffinity()
    if settings.one_cpu:
        affinity.start()
    keys.start()
    relay.start()
    startup_task = StartupTask(partial(_prepare, store, backlog_monitor), pending=INDEXES_PENDING)
    required_keys = keys if settings.require_token else None
    admin = AdminServer(
        settings.admin_bind,
        registry,
        live=partial(liveness_error, relay),
        ready=partial(readiness_error, startup_task, store, required_keys),
    )

    def shutdown() -> None:
        admin.close()
        stop_counting()
        startup_task.close()
        keys.close()
        backlog_monitor.stop()
        relay.close()
        two_threads.close()
        backlog_monitor.close()
        database.client.close()
        tracer.close()
        affinity.close()

    app.extensions["shutdown"] = shutdown
    _stop_long_polls_at_sigterm(long_poll)
    return app


def _prepare(store: OrderStore, backlog_monitor: BacklogMonitor) -> None:
    """Create the indexes, then start the backlog monitor, whose queries need them."""
    store.prepare()
    backlog_monitor.start()


def liveness_error(relay: OutboxRelay) -> str | None:
    """Return a sentence if the relay's loop is stalled, otherwise None."""
    seconds = relay.seconds_since_last_run
    return f"outbox relay stalled for {seconds:.0f} s" if seconds > RELAY_STALLED_SECONDS else None


def readiness_error(startup_task: StartupTask, store: OrderStore, keys: JwksCache | None) -> str | None:
    """Return a sentence that says why this process cannot serve, otherwise None. Pings MongoDB, for at most 1.3 s.

    `keys` is None if orders are placed without a token. Kafka is not checked: orders are accepted without it.
    """
    if startup_task.error is not None:
        return startup_task.error
    if keys is not None and not keys.is_ready:
        return "JWKS not fetched yet"
    try:
        store.ping()
    except StoreUnavailable as unavailable:
        return str(unavailable)
    return None


def _stop_long_polls_at_sigterm(long_poll: LongPoll) -> None:
    """Install a SIGTERM handler that ends all long polls and then calls the previous handler, which is gunicorn's."""
    previous = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: object) -> None:
        long_poll.stop()
        if callable(previous):
            previous(number, frame)  # type: ignore[arg-type]

    signal.signal(signal.SIGTERM, handle)
