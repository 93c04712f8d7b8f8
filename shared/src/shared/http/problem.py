"""Errors as RFC 9457 problem documents: the only shape in which this system says no."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """An answer that is an error. Raised anywhere below a route; `shared.http.app` writes it."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        type: str = "about:blank",  # noqa: A002 - the RFC's name
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
            "type": type,
            "title": title or HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            **extensions,
        }
        if errors:
            self.document["errors"] = [{"pointer": pointer, "detail": text} for pointer, text in errors]


def unavailable(detail: str, retry_after: float) -> Problem:
    """503, nothing was done: repeating is safe after `retry_after` seconds."""
    return Problem(
        503, detail, type="unavailable", title="Service unavailable", headers={"Retry-After": seconds(retry_after)}
    )


def outcome_unknown(detail: str, **extensions: Any) -> Problem:
    """503, and nobody knows what was done."""
    again = {"Retry-After": seconds(1)}
    return Problem(503, detail, type="outcome-unknown", title="Outcome unknown", headers=again, **extensions)


def internal_error() -> Problem:
    """503, our own fault."""
    return outcome_unknown(
        "something went wrong on our side; if this was an order, repeat it with the same Idempotency-Key"
    )


def seconds(delay: float) -> str:
    """Write a delay for Retry-After: whole seconds, rounded up, at least 1."""
    return str(max(1, -int(-delay // 1)))
