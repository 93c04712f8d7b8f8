"""HTTP to rules and back: three routes, and what each error means to a client."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

import msgspec
from flask import Blueprint, Response, jsonify, request
from pymongo.errors import PyMongoError

from auth_api import accounts, tokens
from auth_api.accounts import MalformedCredentials, RefusedAccount, Registration
from auth_api.login import Login, WrongCredentials
from auth_api.passwords import Busy, Slots
from auth_api.store import NameTaken, OutcomeUnknown
from auth_api.throttle import TooManyFailures
from auth_api.tokens import KeyFolder, NoKeys
from shared.http import app as web
from shared.http.problem import Problem, outcome_unknown, seconds, unavailable
from shared.resilience.breaker import CircuitOpen
from shared.telemetry.metrics import AuthMetrics

CHALLENGE = {"WWW-Authenticate": 'Basic realm="retail-orders", charset="UTF-8"'}
AWAY = "the record of users cannot be reached; nothing was done"
RETRY_SECONDS = 1.0


class NewUsers(Protocol):
    """The users, as a registration sees them."""

    def add(self, name: str, password_hash: str, now: datetime) -> None:
        """Store a user; raise NameTaken or OutcomeUnknown."""


def blueprint(
    *,
    users: NewUsers,
    login: Login,
    slots: Slots,
    keys: KeyFolder,
    metrics: AuthMetrics,
    now: Callable[[], datetime],
) -> Blueprint:
    """Return the API's routes. Registrations have `slots` of their own: anybody may register, and many at once."""
    routes = Blueprint("auth", __name__)

    @routes.post("/api/users")
    @web.authentication("none")
    def register() -> tuple[Response, int]:
        registration = web.read_json(Registration)
        password = accounts.check(registration)
        with slots.hold():
            password_hash = login.passwords.hash(password)  # made for a taken name too, so that both take as long
        users.add(registration.username, password_hash, now())
        return jsonify(username=registration.username), 201

    @routes.get("/api/token")
    @web.authentication("basic")
    def token() -> Response:
        with _counted(metrics):
            name, password = accounts.basic_credentials(request.headers.get("Authorization"))
            signing = keys.keys()
            login.check(name, password, request.remote_addr or "")
            answer = tokens.issue(name, signing, now())
        return jsonify(msgspec.to_builtins(answer))

    @routes.get("/.well-known/jwks.json")
    @web.authentication("none")
    def jwks() -> Response:
        response: Response = jsonify(keys.keys().jwks)
        response.headers["Cache-Control"] = "public, max-age=300"
        response.add_etag()
        response.make_conditional(request)
        return response

    return routes


@contextmanager
def _counted(metrics: AuthMetrics) -> Iterator[None]:
    """Count the request for a token by what becomes of it."""
    result = "unavailable"
    try:
        yield
        result = "ok"
    except (MalformedCredentials, WrongCredentials):
        result = "refused"
        raise
    except TooManyFailures:
        result = "throttled"
        raise
    except Busy:
        result = "busy"
        raise
    finally:
        metrics.logins.labels(result).inc()


PROBLEMS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    RefusedAccount: lambda error: Problem(422, str(error), errors=error.errors),
    NameTaken: lambda _: Problem(409, "there is a user of this name: choose another"),
    MalformedCredentials: lambda error: Problem(401, str(error), headers=CHALLENGE),
    WrongCredentials: lambda _: Problem(401, "user name and password do not belong together", headers=CHALLENGE),
    TooManyFailures: lambda error: Problem(
        429, "too many failed logins: wait", headers={"Retry-After": seconds(error.retry_after)}
    ),
    Busy: lambda _: unavailable("too many passwords are being checked; nothing was done", RETRY_SECONDS),
    NoKeys: lambda _: unavailable("the signing keys are not there yet; nothing was done", RETRY_SECONDS),
    CircuitOpen: lambda error: unavailable(AWAY, error.retry_after),
    PyMongoError: lambda _: unavailable(AWAY, RETRY_SECONDS),
    OutcomeUnknown: lambda _: outcome_unknown(
        "whether the user was stored is not known: ask for a token with this name and password, or register again"
    ),
}
