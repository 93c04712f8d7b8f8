"""What every HTTP service does the same: errors, request ids, security headers, a log line and metrics a request."""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from shared.http import strict_json
from shared.http.problem import CONTENT_TYPE, Problem, internal_error
from shared.telemetry import log
from shared.telemetry.metrics import HttpMetrics

MAX_BODY = 64 * 1024
HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
T = TypeVar("T")
V = TypeVar("V", bound=Callable[..., Any])
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
logger = log.get(__name__)


def init_app(app: Flask, *, metrics: HttpMetrics, trusted_proxies: int) -> None:
    """Give `app` the rules that every service keeps. Call it once, before the routes are added.

    `trusted_proxies` is the number of X-Forwarded-For hops to believe for the client's address.
    """
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False  # else `/a//b` is answered with a redirect to the Host header's address, by http
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted_proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    app.before_request(_begin)
    app.after_request(_finish(metrics))
    app.teardown_request(_forget)
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _defect)


def register_problems(app: Flask, problems: Mapping[type[Exception], Callable[[Any], Problem]]) -> None:
    """Answer each kind of exception that a request raises with the Problem that its function makes of it."""
    for kind, explanation in problems.items():
        app.register_error_handler(kind, partial(_explained, explanation))


def authentication(kind: str) -> Callable[[V], V]:
    """Declare how a view knows its client: `none`, `basic` or `bearer`. Every view does; a test reads it."""

    def declare(view: V) -> V:
        view.authentication = kind  # type: ignore[attr-defined]
        return view

    return declare


def read_json(model: type[T]) -> T:
    """Return the request's body as `model`; raise the Problem that says what is wrong with it (400, 413, 415, 422)."""
    try:
        return strict_json.convert(strict_json.loads(body()), model)
    except strict_json.MalformedJson as error:
        raise Problem(400, str(error)) from None
    except strict_json.InvalidModel as error:
        raise Problem(422, str(error), errors=[(error.pointer, error.detail)]) from None


def body() -> bytes:
    """Return the body's bytes if it is declared as JSON in UTF-8 and not compressed, else raise the Problem (415)."""
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in {"utf-8", "utf8"}:
        raise Problem(415, "send the body as JSON in UTF-8, with Content-Type: application/json")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "send the body without Content-Encoding")
    try:
        data = request.get_data()
    except RequestEntityTooLarge:
        raise
    except Exception:  # noqa: BLE001 - each server has its own errors for a body that is cut or badly chunked
        raise Problem(400, "the body could not be read to its end") from None
    if request.content_length not in {None, len(data)}:
        raise Problem(400, "the body is shorter than its Content-Length")
    return data


def _begin() -> None:
    g.started = time.perf_counter()
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _forget(_error: BaseException | None) -> None:
    """Leave the thread clean: what the server itself logs in it next is no part of this request."""
    structlog.contextvars.clear_contextvars()


def _finish(metrics: HttpMetrics) -> Any:
    def finish(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-ID"] = g.request_id
        route = request.url_rule.rule if request.url_rule else "unknown"
        method = request.method if request.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} else "other"
        seconds = time.perf_counter() - g.started
        metrics.requests.labels(route, method, response.status_code).inc()
        metrics.duration.labels(route, method).observe(seconds)
        write = logger.warning if response.status_code >= 500 else logger.info  # noqa: PLR2004 - HTTP's own classes
        write(
            "request",
            method=method,
            route=route,
            status=response.status_code,
            duration_ms=round(seconds * 1000, 2),
            client=request.remote_addr,
        )
        return response

    return finish


def _problem(problem: Problem) -> Response:
    document = problem.document | {"instance": quote(request.path), "request_id": g.request_id}
    response: Response = jsonify(document)
    response.status_code = problem.status
    response.content_type = CONTENT_TYPE
    response.headers.update(problem.headers)
    if problem.status in {429, 503}:
        response.headers.setdefault("Retry-After", "1")
    return response


def _explained(explanation: Callable[[Any], Problem], error: Exception) -> Response:
    return _problem(explanation(error))


def _http_error(error: HTTPException) -> Response:
    """Write what Flask and Werkzeug refuse by themselves, keeping headers such as Allow."""
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return _problem(Problem(error.code or 500, error.description or "", headers=headers))


def _defect(error: Exception) -> Response:
    """Answer an error that nobody foresaw: our own defect, said as unavailable and logged with its traceback."""
    logger.error("unexpected_error", exc_info=error)
    return _problem(internal_error())
