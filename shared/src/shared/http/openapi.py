"""Serves the OpenAPI document and Swagger UI, whose assets come with a package."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Flask, Response, jsonify
from flask_swagger_ui import get_swaggerui_blueprint

from shared.http.app import authentication
from shared.http.problem import CONTENT_TYPE

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'"
)
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem document.",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "For 422: the errors and their places.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def problems(meanings: Mapping[int, str]) -> dict[str, Any]:
    """Return error `responses` of an operation; the document must define PROBLEM_SCHEMA as schema `Problem`."""
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    retry = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return {
        str(status): {"description": text, "content": content} | ({"headers": retry} if status in {429, 503} else {})
        for status, text in meanings.items()
    }


def serve_document(app: Flask, document: dict[str, Any], *, prefix: str = "") -> None:
    """Serve the OpenAPI `document` at `<prefix>/openapi.json` and Swagger UI at `<prefix>/docs`."""
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

    ui: Blueprint = get_swaggerui_blueprint(
        f"{prefix}/docs",
        f"{prefix}/openapi.json",
        # Without a value, the page would contain the request's Host header in its script.
        config={"app_name": document["info"]["title"], "validatorUrl": None, "oauth2RedirectUrl": ""},
    )

    @ui.after_request
    def cacheable(response: Response) -> Response:
        if response.status_code < 400:  # noqa: PLR2004 - HTTP's status classes
            response.headers["Cache-Control"] = "public, max-age=300"
            response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response

    app.register_blueprint(pages)
    app.register_blueprint(ui)
    authentication("none")(app.view_functions[f"{ui.name}.show"])
