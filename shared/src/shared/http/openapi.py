"""Serves the OpenAPI document and Swagger UI, whose assets come with a package."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from flask import Blueprint, Flask, Response, jsonify
from flask_swagger_ui import get_swaggerui_blueprint

from shared.http.app import authentication
from shared.http.problem import CONTENT_TYPE, Problem

POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
DOCUMENTS = {
    "Orders": "/openapi.json",
    "Users and tokens": "/api/openapi.json",
}  # the Swagger UI of each service offers the documents of both services
LOGIN_SCRIPT = (resources.files("shared.http") / "docs_login.js").read_text(encoding="utf-8")
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem document.",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "The cause. docs/errors.md explains each."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people; it may change."},
        "instance": {"type": "string", "description": "The path of the request."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "For 422: the errors and their places.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "A JSON pointer (RFC 6901)."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


@dataclass(frozen=True)
class Cause:
    """A problem's `type`, and the `detail` and extra members shown in its OpenAPI example."""

    type: str
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)


MALFORMED_JSON = Cause("malformed-json", "Expecting value: line 1 column 1")
MALFORMED_REQUEST = Cause("malformed-request", "Request body shorter than its Content-Length")
CONTENT_TOO_LARGE = Cause("content-too-large", "The body is limited to 64 KiB.")
NOT_JSON = Cause("unsupported-media-type", "Send the body as UTF-8 JSON with Content-Type: application/json")
Errors = Mapping[int, tuple[str, Sequence[Cause]]]  # status → description and causes


def problem_responses(errors: Errors) -> dict[str, Any]:
    """Return the `components.responses` that `refer_to` names; the document must define PROBLEM_SCHEMA as `Problem`."""
    return {f"Problem{status}": _problem_response(status, *error) for status, error in errors.items()}


def _problem_response(status: int, description: str, causes: Sequence[Cause]) -> dict[str, Any]:
    examples = {
        cause.type: {
            "value": {
                "type": cause.type,
                "title": Problem(status, "").document["title"],
                "status": status,
                "detail": cause.detail,
                "instance": "/",
                "request_id": "4f1d2c3b4a5968778695a4b3c2d1e0f0",
                **cause.more,
            }
        }
        for cause in causes
    }
    response = {
        "description": description,
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }
    retry = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return response | ({"headers": retry} if status in {429, 503} else {})


def refer_to(*statuses: int) -> dict[str, Any]:
    """Return the `responses` of an operation for these error statuses, as references to the document's components."""
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(statuses)}


def serve_document(app: Flask, document: dict[str, Any], *, prefix: str = "") -> None:
    """Serve the OpenAPI `document` at `<prefix>/openapi.json`, and at `<prefix>/docs` Swagger UI for both APIs."""
    pages = Blueprint("openapi", __name__)

    @pages.get(f"{prefix}/openapi.json")
    @authentication("none")
    def openapi() -> Response:
        response: Response = jsonify(document)
        response.headers["Cache-Control"] = "public, max-age=300"
        return response

    @pages.get(f"{prefix}/docs")
    @authentication("none")
    def docs() -> Response:
        # Flask's own redirect is absolute, and wrong behind a proxy that terminates TLS.
        return Response(status=308, headers={"Location": f"{prefix}/docs/"})

    @pages.get(f"{prefix}/docs/login.js")
    @authentication("none")
    def login_script() -> Response:
        return _finish(Response(LOGIN_SCRIPT, content_type="text/javascript; charset=utf-8"))

    ui: Blueprint = get_swaggerui_blueprint(
        f"{prefix}/docs",
        f"{prefix}/openapi.json",
        config={
            "app_name": document["info"]["title"],
            "layout": "StandaloneLayout",
            "urls": [{"name": name, "url": url} for name, url in DOCUMENTS.items()],
            "urls.primaryName": next(name for name, url in DOCUMENTS.items() if url == f"{prefix}/openapi.json"),
            "persistAuthorization": True,  # keep the token after a reload, and for the other document
            "validatorUrl": None,
            "oauth2RedirectUrl": "",  # by default the page's script would contain the request's Host header
        },
    )

    @ui.after_request
    def finish(response: Response) -> Response:
        if response.status_code >= 400:  # noqa: PLR2004 - HTTP's status classes
            return response
        if not response.direct_passthrough:  # the response is the page itself, not one of its files
            script = f'<script src="{prefix}/docs/login.js"></script>\n</body>'
            response.set_data(response.get_data(as_text=True).replace("</body>", script))
            return _finish(response, INLINE_SCRIPT.findall(response.get_data(as_text=True)))
        return _finish(response)

    app.register_blueprint(pages)
    app.register_blueprint(ui)
    authentication("none")(app.view_functions[f"{ui.name}.show"])


def _finish(response: Response, inline_scripts: Sequence[str] = ()) -> Response:
    """Let caches keep the response, and let the browser run only our script files and `inline_scripts`."""
    digests = (hashlib.sha256(script.encode()).digest() for script in inline_scripts)
    allowed = "".join(f" 'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Content-Security-Policy"] = f"{POLICY}; script-src 'self'{allowed}"
    return response
