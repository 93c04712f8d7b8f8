"""The API's description and its readable page, from assets that come with a package."""

from typing import Any

from flask import Blueprint, Flask, Response, jsonify
from flask_swagger_ui import get_swaggerui_blueprint

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'"
)


def register(app: Flask, document: dict[str, Any], *, prefix: str = "") -> None:
    """Serve the OpenAPI `document` at `<prefix>/openapi.json` and its page at `<prefix>/docs`."""
    pages = Blueprint("openapi", __name__)

    @pages.get(f"{prefix}/openapi.json")
    def openapi() -> Response:
        response: Response = jsonify(document)
        response.headers["Cache-Control"] = "public, max-age=300"
        return response

    ui: Blueprint = get_swaggerui_blueprint(
        f"{prefix}/docs", f"{prefix}/openapi.json", config={"app_name": document["info"]["title"], "validatorUrl": None}
    )

    @ui.after_request
    def cacheable(response: Response) -> Response:
        response.headers["Cache-Control"] = "public, max-age=300"
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response

    app.register_blueprint(pages)
    app.register_blueprint(ui)
