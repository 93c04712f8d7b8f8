"""Classifies responses to orders: the order's outcome, and whether the response broke the API's contract."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["ok", "refused", "unavailable", "unknown"]
OK = 200
NOT_FOUND = 404
UNAUTHORIZED = 401
BUSY = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """A classified response to POST /order; `retry_after` is in seconds.

    `contract_violation` says which rule of the API the response broke, None if none. The rules: 200 has an order
    reference, any other status is 4xx or 503 and has a problem document, and 429 and 503 have Retry-After. `problem`
    has the type, detail and request id of the problem document; if no response came, its detail is the client's error.
    """

    outcome: Outcome
    status: int | None = None
    reference: str | None = None
    replayed: bool = False
    retry_after: float = 0.0
    contract_violation: str | None = None
    problem: dict[str, Any] | None = None


def classify_response(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Classify one response to POST /order."""
    document = _document(body)
    if status == OK:
        return _placed(document, headers)
    violation = _contract_violation(status, headers, document)
    problem: dict[str, Any] = {name: document[name] for name in ("type", "detail", "request_id") if name in document}
    if status in BUSY:
        nothing_done = document.get("type") != "outcome-unknown"
        return Answer(
            "unavailable" if nothing_done else "unknown",
            status,
            retry_after=_seconds(headers.get("Retry-After")),
            contract_violation=violation,
            problem=problem,
        )
    if 400 <= status < 500:  # noqa: PLR2004 - HTTP's own classes
        return Answer("refused", status, contract_violation=violation, problem=problem)
    return Answer("unknown", status, contract_violation=violation, problem=problem)


def read_violation(status: int, headers: Mapping[str, str], body: bytes, reference: str) -> str | None:
    """Return how a response to the owner's GET of an accepted order breaks the contract, None if it does not."""
    document = _document(body)
    if status == OK:
        return None if document.get("orderid") == reference else f"GET returned another order than {reference}"
    if status == NOT_FOUND:
        return "the GET of an accepted order returned 404 to the owner"
    return _contract_violation(status, headers, document)


def _placed(document: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    reference = document.get("order_reference")
    if not isinstance(reference, str) or not reference:
        return Answer("unknown", OK, contract_violation="200 without an order_reference")
    return Answer("ok", OK, reference, replayed=headers.get("Idempotent-Replayed") == "true")


def _contract_violation(status: int, headers: Mapping[str, str], document: Mapping[str, Any]) -> str | None:
    if not (400 <= status < 500 or status == 503):  # noqa: PLR2004
        return f"status {status}"
    if status in BUSY and not headers.get("Retry-After", "").isdecimal():
        return f"status {status} without Retry-After"
    kind = headers.get("Content-Type", "").partition(";")[0]
    if kind != "application/problem+json" or document.get("status") != status:
        return f"status {status} without a problem document"
    return None


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 0.0
