"""The HTTP routes of auth-api, and the table that maps errors to problem documents."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from flask import Blueprint, Response, jsonify, request

from auth_api import accounts
from auth_api.accounts import InvalidAccount, MalformedCredentials, Registration
from auth_api.login import Login, WrongCredentials
from auth_api.metrics import AuthMetrics
from auth_api.registration import Registrar
from auth_api.security_log import security_event
from auth_api.signing_keys import SigningKeys, SigningKeysUnavailable
from auth_api.slots import AddressBusy, Busy
from auth_api.store import NameTaken
from auth_api.throttle import TooManyFailures, TooManyRegistrations
from auth_api.tokens import issue_token
from shared.http.app import authentication, read_json
from shared.http.problem import Problem, outcome_unknown, seconds, unavailable
from shared.store import OutcomeUnknown, StoreUnavailable

CHALLENGE = {"WWW-Authenticate": 'Basic realm="retail-orders", charset="UTF-8"'}
RETRY_SECONDS = 1.0


PROBLEMS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    InvalidAccount: lambda error: Problem(422, str(error), type="invalid-account", errors=error.errors),
    NameTaken: lambda _: Problem(409, "username already taken", type="username-taken"),
    MalformedCredentials: lambda error: Problem(401, str(error), type="credentials-required", headers=CHALLENGE),
    WrongCredentials: lambda _: Problem(
        401, "Invalid username or password", type="invalid-credentials", headers=CHALLENGE
    ),
    TooManyFailures: lambda error: Problem(
        429,
        "Too many failed logins; retry later",
        type="too-many-failed-logins",
        headers={"Retry-After": seconds(error.retry_after)},
    ),
    TooManyRegistrations: lambda error: Problem(
        429,
        "Too many registrations from this address; retry later",
        type="too-many-registrations",
        headers={"Retry-After": seconds(error.retry_after)},
    ),
    AddressBusy: lambda _: Problem(
        429, "Too many concurrent registrations from this address; retry", type="too-many-registrations"
    ),
    Busy: lambda _: unavailable("Too many concurrent logins or registrations; nothing was changed", RETRY_SECONDS),
    SigningKeysUnavailable: lambda _: unavailable("There is no signing key yet; retry", RETRY_SECONDS),
    StoreUnavailable: lambda error: unavailable(
        "The user database is unavailable; nothing was changed", error.retry_after
    ),
    OutcomeUnknown: lambda _: outcome_unknown(
        "It is not known whether the user was stored. Request a token with this name and password, or register again"
    ),
}


@dataclass(frozen=True)
class Routes:
    """The views. Verifiers may cache the public keys for `cache_seconds`."""

    login: Login
    registrar: Registrar
    keys: SigningKeys
    cache_seconds: int
    metrics: AuthMetrics
    now: Callable[[], datetime]

    def blueprint(self) -> Blueprint:
        """Return the routes; each declares its authentication."""
        blueprint = Blueprint("auth", __name__)
        blueprint.add_url_rule("/api/users", "register", self.register, methods=["POST"])
        blueprint.add_url_rule("/api/token", "token", self.token, methods=["GET"])
        blueprint.add_url_rule("/.well-known/jwks.json", "jwks", self.jwks, methods=["GET"])
        return blueprint

    @authentication("none")
    def register(self) -> tuple[Response, int]:
        """Store a user."""
        registration = read_json(Registration)
        with security_event("registration", registration.username, request.remote_addr):
            self.registrar.register(registration, request.remote_addr or "")
        return jsonify(username=registration.username), 201

    @authentication("basic")
    def token(self) -> Response:
        """Return an access token for the user of the Basic credentials."""
        with _counted(self.metrics):
            name, password = accounts.parse_basic_auth(request.headers.get("Authorization"))
            signer = self.keys.signer()
            with security_event("login", name, request.remote_addr):
                self.login.check(name, password, request.remote_addr or "")
            access_token = issue_token(name, signer, self.now())
        return jsonify(msgspec.to_builtins(access_token))

    @authentication("none")
    def jwks(self) -> Response:
        """Return the public keys."""
        response: Response = jsonify(self.keys.published())
        response.headers["Cache-Control"] = f"public, max-age={self.cache_seconds}"
        response.add_etag()
        response.make_conditional(request)
        return response


@contextmanager
def _counted(metrics: AuthMetrics) -> Iterator[None]:
    """Run the block as one token request, and count the request by its result."""
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
