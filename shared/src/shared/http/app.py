# ruff: noqa: SLF001 - Werkzeug's documented method for the object behind a proxy, of which each access costs time
"""The set-up that every HTTP service shares: problem documents, request ids, security headers, access log, metrics."""

import re
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from random import getrandbits
from typing import Any, TypeVar
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, jsonify, request
from prometheus_client import Gauge
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from shared.http import strict_json
from shared.http.problem import CONTENT_TYPE, Problem, internal_error
from shared.telemetry import log, trace_context
from shared.telemetry.metrics import HttpMetrics
from shared.telemetry.spans import Span
from shared.telemetry.tracing import OFF, Tracer

MAX_BODY = 64 * 1024
HEADERS = {  # Strict-Transport-Security is added by the proxy, which terminates TLS
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
T = TypeVar("T")
V = TypeVar("V", bound=Callable[..., Any])
# These sentences replace Werkzeug's, which are meant for people at a browser. The proxy sends the same sentences.
_DETAILS = {
    400: "The request is not well-formed HTTP/1.1. Check its first line and its headers.",
    404: "Nothing is served at this path. /docs lists every path.",
    405: "This method is not supported here. The header Allow lists those that are.",
    413: "The body is limited to 64 KiB.",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
logger = log.get(__name__)


def init_app(
    app: Flask, *, metrics: HttpMetrics, busy_threads: Gauge, trusted_proxies: int, tracer: Tracer = OFF
) -> None:
    """Set up `app` as every service needs it. Call it once, before the routes are added.

    `busy_threads` is the gauge of the requests in progress. `trusted_proxies` is the number of X-Forwarded-For hops
    that are trusted when the client's address is determined.
    """
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False  # otherwise `/a//b` is redirected to http:// plus the Host header
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted_proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    app.ensure_sync = lambda func: func  # type: ignore[method-assign]  # no view is asynchronous
    app.before_request(partial(_start_request, busy_threads, tracer))
    app.after_request(_finish_request(metrics))
    app.teardown_request(partial(_end_request, busy_threads))
    app.register_error_handler(Problem, _respond)
    app.register_error_handler(HTTPException, _respond_http_error)
    app.register_error_handler(Exception, _respond_unexpected)


def register_problems(app: Flask, problems: Mapping[type[Exception], Callable[[Any], Problem]]) -> None:
    """Respond to each type of exception with the Problem that its function returns."""
    for kind, to_problem in problems.items():
        app.register_error_handler(kind, partial(_respond_mapped, to_problem))


def authentication(kind: str) -> Callable[[V], V]:
    """Mark how a view authenticates its client: `none`, `basic` or `bearer`. A test checks that each view is marked."""

    def declare(view: V) -> V:
        view.authentication = kind  # type: ignore[attr-defined]
        return view

    return declare


def read_json(model: type[T]) -> T:
    """Return the request body as `model`.

    Raise the Problem that describes an error of the body (400, 415, 422), or RequestEntityTooLarge (413).
    """
    try:
        return strict_json.convert(strict_json.loads(body()), model)
    except strict_json.MalformedJson as error:
        raise Problem(400, str(error), type="malformed-json") from None
    except strict_json.InvalidModel as error:
        raise Problem(422, str(error), type="invalid-body", errors=[(error.pointer, error.detail)]) from None


def body() -> bytes:
    """Return the request's body.

    Raise the Problem 415 unless the headers declare uncompressed JSON in UTF-8, the Problem 400 if the body is
    incomplete, and RequestEntityTooLarge if it is too long.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in {"utf-8", "utf8"}:
        raise Problem(415, "Send the body as UTF-8 JSON with Content-Type: application/json")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "Send the body without Content-Encoding")
    try:
        data = request.get_data()
    except RequestEntityTooLarge:
        raise
    except Exception:  # noqa: BLE001 - each server has its own errors for a truncated or badly chunked body
        raise Problem(400, "The body is incomplete. Send it whole") from None
    if request.content_length not in {None, len(data)}:
        raise Problem(400, "The body is shorter than its Content-Length. Send it whole")
    return data


def mark_as_held() -> None:
    """Record the duration of this request separately: its client asked the service to wait."""
    g.is_held = True


def _start_request(busy_threads: Gauge, tracer: Tracer) -> None:
    """Count the request; start its clock, span and log context. `g.traceparent` is the context to pass on, or None."""
    busy_threads.inc()
    state, current = g._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
    state.started = time.perf_counter()
    received = current.headers.get("X-Request-ID", "")
    state.request_id = received if _REQUEST_ID.fullmatch(received) else f"{getrandbits(128):032x}"
    method = state.method = current.method if current.method in METHODS else "other"
    route = state.route = current.url_rule.rule if current.url_rule else "unknown"
    state.traceparent, state.span = tracer.start_request(f"{method} {route}", current.headers.get("traceparent"))
    structlog.contextvars.bind_contextvars(request_id=state.request_id, **trace_context.log_field(state.traceparent))


def _end_request(busy_threads: Gauge, _error: BaseException | None) -> None:
    """Count the request as ended and clear the log context: the thread's next log line belongs to another request."""
    busy_threads.dec()
    structlog.contextvars.clear_contextvars()


def _finish_request(metrics: HttpMetrics) -> Any:
    # `labels` costs as much as a count; there are few results, as there are few routes, methods and statuses.
    requests = cache(metrics.requests.labels)
    duration, held_duration = cache(metrics.duration.labels), cache(metrics.held_duration.labels)

    def finish(response: Response) -> Response:
        own = {name for name, _ in response.headers}  # a few views set one of HEADERS, in the same spelling
        for name, value in HEADERS.items():
            if name not in own:
                response.headers.add(name, value)
        state = g._get_current_object()
        response.headers.add("X-Request-ID", state.request_id)
        route, method = state.route, state.method
        seconds = time.perf_counter() - state.started
        requests(route, method, response.status_code).inc()
        histogram = (held_duration if "is_held" in state else duration)(route, method)
        histogram.observe(seconds, trace_context.exemplar(state.traceparent))
        write = logger.warning if response.status_code >= 500 else logger.info  # noqa: PLR2004 - HTTP's status classes
        write(
            "request",
            method=method,
            route=route,
            status=response.status_code,
            duration_ms=round(seconds * 1000, 2),
            client=request.remote_addr,
        )
        if state.span:
            _end_span(state.span, method, route, response.status_code)
        return response

    return finish


def _end_span(span: Span, method: str, route: str, status: int) -> None:
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
    }
    if order_id := structlog.contextvars.get_contextvars().get("order_id"):
        attributes["retail.order.id"] = order_id
    span.end(attributes, error=str(status) if status >= 500 else None)  # noqa: PLR2004 - HTTP's status classes


def _respond(problem: Problem) -> Response:
    document = problem.document | {"instance": quote(request.path), "request_id": g.request_id}
    response: Response = jsonify(document)
    response.status_code = problem.status
    response.content_type = CONTENT_TYPE
    response.headers.update(problem.headers)
    if problem.status in {429, 503}:
        response.headers.setdefault("Retry-After", "1")
    return response


def _respond_mapped(to_problem: Callable[[Any], Problem], error: Exception) -> Response:
    return _respond(to_problem(error))


def _respond_http_error(error: HTTPException) -> Response:
    """Respond to requests that Flask and Werkzeug reject themselves, with headers such as Allow."""
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    status = error.code or 500
    return _respond(Problem(status, _DETAILS.get(status) or error.description or "", headers=headers))


def _respond_unexpected(error: Exception) -> Response:
    """Respond to an unexpected error with 503, and log its traceback."""
    logger.error("unexpected_error", exc_info=error)
    return _respond(internal_error())
