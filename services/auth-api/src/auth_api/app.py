"""All wiring of auth-api: what gunicorn starts, and what tests start with fakes."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import pymongo
from flask import Flask
from prometheus_client import CollectorRegistry
from pymongo.database import Database
from pymongo.errors import PyMongoError

from auth_api import openapi, routes, tokens
from auth_api.login import Login, Users
from auth_api.passwords import Passwords, Slots
from auth_api.routes import NewUsers
from auth_api.settings import Settings
from auth_api.store import MongoFailures, MongoUsers
from auth_api.throttle import Failures, Throttle
from auth_api.tokens import KeyFolder, NoKeys
from shared import mongo
from shared.http import app as web
from shared.http import openapi as docs
from shared.mongo import Document
from shared.resilience.breaker import Breaker, CircuitOpen
from shared.resilience.startup import StartupTask
from shared.telemetry import certificates, log
from shared.telemetry.admin import AdminServer
from shared.telemetry.metrics import AuthMetrics, BreakerMetrics, CertificateMetrics, HttpMetrics

SPARE_CONNECTIONS = 4
PING_SECONDS = 1.0
LOGINS_TO_A_REGISTRATION = 4  # in slots for hashing
REGISTRATIONS_WAITING = 4  # few: each has a thread that a log-in could use


class UserStore(Users, NewUsers, Protocol):
    """Everything that is asked of the users."""


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    users: UserStore,
    failures: Failures,
    keys: KeyFolder,
    registry: CollectorRegistry,
    passwords: Passwords,
    slots: Slots,
    registration_slots: Slots,
    now: Callable[[], datetime] = utc_now,
) -> Flask:
    """Return the API on the given stores; what it counts goes to `registry`."""
    app = Flask("auth_api", static_folder=None)
    web.init_app(app, metrics=HttpMetrics(registry), trusted_proxies=settings.trusted_proxies)
    web.register_problems(app, routes.PROBLEMS)
    tokens.configure(app, issuer=settings.issuer, audience=settings.audience)
    login = Login(users, Throttle(failures), passwords, slots)
    app.register_blueprint(
        routes.blueprint(
            users=users, login=login, slots=registration_slots, keys=keys, metrics=AuthMetrics(registry), now=now
        )
    )
    docs.register(app, openapi.DOCUMENT, prefix="/api")
    return app


def wsgi() -> Flask:
    """Return the API on MongoDB, its admin port open; called by gunicorn in its worker, after the fork.

    `extensions["shutdown"]` closes what this opened.
    """
    settings = Settings.from_env(os.environ)
    log.configure("auth-api", settings.log_level)
    registry = CollectorRegistry()
    database = mongo.connect(
        settings.mongodb_uri,
        ca_file=settings.mongodb_ca_file,
        database=settings.mongodb_database,
        app_name="auth-api",
        pool=settings.http_threads + SPARE_CONNECTIONS,
    )
    breaker = Breaker("mongodb", BreakerMetrics(registry), is_failure=mongo.is_failure)
    failures = MongoFailures(database, breaker)
    keys = KeyFolder(settings.keys_dir, signing_kid=settings.signing_kid)
    app = create_app(
        settings,
        users=MongoUsers(database, breaker),
        failures=failures,
        keys=keys,
        passwords=Passwords(),
        slots=login_slots(settings),
        registration_slots=Slots(
            max(1, settings.hash_slots // LOGINS_TO_A_REGISTRATION), waiters=REGISTRATIONS_WAITING
        ),
        registry=registry,
    )
    certificates.watch(CertificateMetrics(registry), {"mongodb-ca": settings.mongodb_ca_file})
    indexes = StartupTask(failures.make_index)
    admin = AdminServer(
        settings.admin_bind, registry, live=lambda: None, ready=partial(trouble, keys, indexes, database, breaker)
    )

    def shutdown() -> None:
        admin.close()
        indexes.close()
        database.client.close()

    app.extensions["shutdown"] = shutdown
    return app


def login_slots(settings: Settings) -> Slots:
    """Return the log-ins' slots: with those that wait for one they never have more than three quarters of the threads.

    The others are for who asks for keys, and for registrations.
    """
    places = max(1, settings.http_threads * 3 // 4)
    count = min(settings.hash_slots, places)
    return Slots(count, waiters=places - count)


def trouble(keys: KeyFolder, indexes: StartupTask, database: Database[Document], breaker: Breaker) -> str | None:
    """Say in a sentence why this process cannot serve; None if it can. Asks MongoDB, at most 1.5 s; never raises."""
    try:
        keys.keys()
        if not indexes.done:
            return "the indexes in MongoDB are not confirmed yet"
        with breaker.guard(), pymongo.timeout(PING_SECONDS):
            database.command("ping")
    except NoKeys as error:
        return f"no signing keys: {error}"
    except CircuitOpen as error:
        return str(error)
    except PyMongoError as error:
        return f"MongoDB does not answer: {type(error).__name__}"
    return None
