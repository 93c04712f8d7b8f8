"""Problem documents for the requests that gunicorn rejects before it calls the application."""

import json
import re
import secrets
import socket
from http import HTTPStatus

from gunicorn import util  # type: ignore[import-untyped]

from shared.http.app import HEADERS
from shared.http.problem import CONTENT_TYPE, Problem, internal_error
from shared.telemetry import log

# gunicorn's status → the status to send: 500 is gunicorn's internal error, 501 an unknown transfer coding
STATUSES = {500: 503, 501: 400}
_QUOTED = re.compile(r"""[:\s]*b?['"].*""", re.DOTALL)  # the part of a message in which gunicorn quotes the request
_ADVICE = {
    "Invalid HTTP header name": "A header name has letters, digits and hyphens, and no underscore",
    "Invalid HTTP Header": "A header occurs twice that may occur once, or has a value that HTTP does not allow",
}
logger = log.get(__name__)


def write_error(client: socket.socket, status: int, _reason: str, message: str) -> None:
    """Send a problem document. Replaces `gunicorn.util.write_error`, which sends HTML; gunicorn then disconnects."""
    status = STATUSES.get(status, status)
    request_id = secrets.token_hex(16)
    logger.info("request_refused", request_id=request_id, status=status)
    phrase = HTTPStatus(status).phrase
    detail = _QUOTED.sub("", message) or phrase
    detail = _ADVICE.get(detail, detail)
    problem = internal_error() if status == HTTPStatus.SERVICE_UNAVAILABLE else Problem(status, detail)
    body = json.dumps(problem.document | {"instance": "/", "request_id": request_id}).encode()
    headers = {
        **HEADERS,
        **problem.headers,
        "X-Request-ID": request_id,
        "Connection": "close",
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
    }
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    util.write_nonblock(client, "\r\n".join([*lines, "", ""]).encode() + body)
