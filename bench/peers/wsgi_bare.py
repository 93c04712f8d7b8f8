"""A WSGI application that only reads the body and responds: it shows what the server alone costs."""

from collections.abc import Callable
from typing import Any

BODY = b'{"status": "PLACED"}'


def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """Read the body and respond."""
    environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return [BODY]
