"""RFC 9457 problem documents: the format of every error response."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"
# RFC 9110's names of statuses that Python before 3.13 names differently: no title may depend on Python's version.
TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
# The types for requests that Flask or a server rejects by itself; docs/errors.md explains every type.
TYPES = {
    400: "malformed-request",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    411: "length-required",
    413: "content-too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    431: "headers-too-large",
    505: "http-version-not-supported",
}


class Problem(Exception):  # noqa: N818 - the RFC's term
    """An error response. Raise it anywhere below a route; `shared.http.app` sends it.

    `type` is the name of the cause that clients branch on, by default the one in TYPES, or `about:blank` without one.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        type: str | None = None,  # noqa: A002 - the RFC's member name
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[tuple[str, str]] = (),
        **extensions: Any,
    ) -> None:
        """`errors` are (JSON pointer, detail) pairs of a 422; `extensions` are further members of the document."""
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.document: dict[str, Any] = {
            "type": type or TYPES.get(status, "about:blank"),
            "title": title or TITLES.get(status) or HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            **extensions,
        }
        if errors:
            self.document["errors"] = [{"pointer": pointer, "detail": text} for pointer, text in errors]


def unavailable(detail: str, retry_after: float) -> Problem:
    """Return the 503 for a request that changed nothing: a retry is safe, after `retry_after` seconds."""
    return Problem(
        503, detail, type="unavailable", title="Service unavailable", headers={"Retry-After": seconds(retry_after)}
    )


def outcome_unknown(detail: str, **extensions: Any) -> Problem:
    """Return the 503 for a request whose outcome is not known: it may have been carried out."""
    headers = {"Retry-After": seconds(1)}
    return Problem(503, detail, type="outcome-unknown", title="Outcome unknown", headers=headers, **extensions)


def internal_error() -> Problem:
    """Return the 503 for a defect of the service itself."""
    return outcome_unknown("Internal error. If this was an order, retry with the same Idempotency-Key")


def seconds(delay: float) -> str:
    """Format a delay for Retry-After: whole seconds, rounded up, at least 1."""
    return str(max(1, -int(-delay // 1)))
