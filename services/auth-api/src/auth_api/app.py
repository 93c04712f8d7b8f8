"""All wiring of auth-api: gunicorn starts `wsgi`, tests start `create_app` on fakes."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from flask import Flask
from prometheus_client import CollectorRegistry
from pymongo.database import Database

from auth_api import openapi, routes, tokens
from auth_api.address_watch import AddressWatch
from auth_api.login import Login, Users
from auth_api.metrics import AuthMetrics
from auth_api.passwords import Passwords
from auth_api.registration import NewUsers, Registrar
from auth_api.routes import Routes
from auth_api.settings import Settings
from auth_api.signing_keys import SigningKeys, SigningKeysUnavailable
from auth_api.slots import AddressShare, Slots
from auth_api.store import MongoFailures, MongoUsers
from auth_api.throttle import Failures, RegistrationLimit, Throttle
from shared import mongo, store
from shared.http.app import init_app, register_problems
from shared.http.openapi import serve_document
from shared.http.proxy_statuses import count_proxy_statuses
from shared.key_records import KeyRecords
from shared.mongo import Document
from shared.resilience.breaker import Breaker
from shared.resilience.startup import StartupTask
from shared.store import INDEXES_PENDING, StoreUnavailable
from shared.telemetry import certificates, log
from shared.telemetry.admin import AdminServer
from shared.telemetry.metrics import BreakerMetrics, CertificateMetrics, HttpMetrics, ResourceMetrics
from shared.telemetry.registry import new_registry
from shared.telemetry.tracing import OFF, Tracer

SPARE_CONNECTIONS = 4
LOGIN_SLOTS_PER_REGISTRATION_SLOT = 4
REGISTRATION_WAITERS = 4  # few, because each occupies a thread that a login could use
ADDRESS_SHARE = 2  # one address may occupy 1/ADDRESS_SHARE of the places for registrations


class UserStore(Users, NewUsers, Protocol):
    """The user operations that logins and registrations need."""


def utc_now() -> datetime:
    """Return the current time in UTC, with its time zone."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    users: UserStore,
    failures: Failures,
    keys: SigningKeys,
    registry: CollectorRegistry,
    passwords: Passwords,
    slots: Slots,
    registration_slots: Slots,
    tracer: Tracer = OFF,
    now: Callable[[], datetime] = utc_now,
) -> Flask:
    """Return the API on the given stores; its metrics go to `registry`."""
    app = Flask("auth_api", static_folder=None)
    resources = ResourceMetrics(registry)
    init_app(
        app,
        metrics=HttpMetrics(registry),
        busy_threads=resources.track("http_threads", settings.http_threads),
        trusted_proxies=settings.trusted_proxies,
        tracer=tracer,
    )
    resources.watch("hash_slots", slots.places, slots.in_use)
    register_problems(app, routes.PROBLEMS)
    tokens.configure(app, issuer=settings.issuer, audience=settings.audience)
    throttle = Throttle(failures)
    login = Login(users, throttle, passwords, slots, AddressWatch())
    registrar = Registrar(
        users,
        passwords,
        registration_slots,
        AddressShare(max(1, registration_slots.places // ADDRESS_SHARE)),
        RegistrationLimit(failures, settings.registrations_per_address),
        throttle,
        now,
    )
    views = Routes(
        login=login,
        registrar=registrar,
        keys=keys,
        cache_seconds=settings.jwks_cache_seconds,
        metrics=AuthMetrics(registry),
        now=now,
    )
    app.register_blueprint(views.blueprint())
    serve_document(app, openapi.DOCUMENT, prefix="/api")
    return app


def wsgi() -> Flask:
    """Return the API on MongoDB, with all its threads started; gunicorn's worker calls this after the fork.

    `extensions["shutdown"]` closes what this function opened.
    """
    settings = Settings.from_env(os.environ)
    log.configure("auth-api", settings.log_level)
    registry = new_registry("auth-api")
    tracer = Tracer.of(settings, service="auth-api", trusts_clients=settings.tracing_trust_clients)
    certificates.watch(CertificateMetrics(registry), {"mongodb-ca": settings.mongodb_ca_file})
    database = mongo.connect(
        settings.mongodb_uri,
        ca_file=settings.mongodb_ca_file,
        database=settings.mongodb_database,
        app_name="auth-api",
        pool=settings.http_threads + SPARE_CONNECTIONS,
    )
    breaker = Breaker("mongodb", BreakerMetrics(registry), is_failure=mongo.is_failure)
    failures = MongoFailures(database, breaker)
    keys = SigningKeys(
        settings.keys_dir,
        KeyRecords(database, breaker).publish,
        cache_seconds=settings.jwks_cache_seconds,
        signing_kid=settings.signing_kid,
    )
    slots = login_slots(settings)
    registration_count = max(1, settings.hash_slots // LOGIN_SLOTS_PER_REGISTRATION_SLOT)
    passwords = Passwords(threads=slots.count + registration_count)
    app = create_app(
        settings,
        users=MongoUsers(database, breaker),
        failures=failures,
        keys=keys,
        passwords=passwords,
        slots=slots,
        registration_slots=Slots(registration_count, waiters=REGISTRATION_WAITERS),
        registry=registry,
        tracer=tracer,
    )
    stop_counting = count_proxy_statuses(settings.proxy_status_bind, registry)
    keys.start()
    startup_task = StartupTask(failures.create_indexes, pending=INDEXES_PENDING)
    admin = AdminServer(
        settings.admin_bind,
        registry,
        live=lambda: None,
        ready=partial(readiness_error, startup_task, keys, database, breaker),
    )

    def shutdown() -> None:
        admin.close()
        stop_counting()
        startup_task.close()
        keys.close()
        passwords.close()
        database.client.close()
        tracer.close()

    app.extensions["shutdown"] = shutdown
    return app


def login_slots(settings: Settings) -> Slots:
    """Return the slots for logins; holders and waiters together occupy at most three quarters of the threads.

    The remaining threads serve the public keys and registrations.
    """
    places = max(1, settings.http_threads * 3 // 4)
    count = min(settings.hash_slots, places)
    return Slots(count, waiters=places - count)


def readiness_error(
    startup_task: StartupTask, keys: SigningKeys, database: Database[Document], breaker: Breaker
) -> str | None:
    """Return a sentence that says why this process cannot serve, otherwise None. Pings MongoDB, for at most 1.3 s."""
    try:
        keys.published()
    except SigningKeysUnavailable as error:
        return f"no signing keys: {error}"
    if startup_task.error is not None:
        return startup_task.error
    try:
        store.ping(breaker, database)
    except StoreUnavailable as error:
        return str(error)
    return None
