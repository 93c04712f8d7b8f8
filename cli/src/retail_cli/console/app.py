"""The console as a WSGI application: wiring, the check of each request, and the headers of each response."""

import hmac
from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask, Response, abort, g, render_template, request
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException

from retail_cli import failures, rendering
from retail_cli.console import actions, pages, panels
from retail_cli.console.plans import Plans
from retail_cli.console.reader import Reader
from retail_cli.session import ExitCode, Session

HOSTS = ["localhost", "127.0.0.1"]
MAX_BODY = 1024 * 1024  # bytes: enough for about 20,000 order ids
SAFE_SITES = {None, "same-origin", "none"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # hides the secret address from other sites; with `no-referrer`, forms would send `Origin: null` and be refused
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(session: Session, replicas: Callable[[], Sequence[tuple[str, str]]], *, token: str, by: str) -> Flask:
    """Return the console below the path `/TOKEN/`; any other path is a 404.

    `replicas` returns (name, admin URL) of each replica; an order's history names `by` as the person who redrives.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(TRUSTED_HOSTS=HOSTS, MAX_CONTENT_LENGTH=MAX_BODY)
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters["when"] = lambda moment: rendering.when(moment) or "-"
    app.jinja_env.globals["operator"] = by
    app.extensions["reader"] = Reader(session, replicas)
    app.extensions["plans"] = Plans()
    app.extensions["by"] = by
    for blueprint in (pages.blueprint, panels.blueprint, actions.blueprint):
        app.register_blueprint(blueprint, url_prefix="/<token>")
    app.url_value_preprocessor(_take_token)
    app.url_defaults(_give_token)
    app.before_request(lambda: _admit(token))
    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, _show_refusal)
    for error in failures.EXPECTED:
        app.register_error_handler(error, _show_failure)
    return app


def _take_token(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.token = (values or {}).pop("token", "")


def _give_token(_endpoint: str, values: dict[str, Any]) -> None:
    values.setdefault("token", g.token)


def _admit(token: str) -> None:
    """Refuse a request without the token (404), or one that a page of another site may have sent (403)."""
    if not hmac.compare_digest(g.get("token", "").encode(), token.encode()):
        abort(404)
    if request.headers.get("Sec-Fetch-Site") not in SAFE_SITES:
        abort(403)
    if request.method == "POST" and request.headers.get("Origin") != request.host_url.rstrip("/"):
        abort(403)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


def _show_refusal(error: HTTPException) -> tuple[str, int]:
    """Return plain text: a client that was not admitted must see nothing of the console."""
    return f"{error.code} {error.name}\n", error.code or 500


def _show_failure(error: Exception) -> tuple[str, int]:
    code, sentence = failures.describe(error)
    template = "failure_panel.html" if request.blueprint == "panels" else "failure.html"
    return render_template(template, sentence=sentence), 503 if code == ExitCode.UNAVAILABLE else 404
