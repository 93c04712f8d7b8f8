"""What an answer to POST /order tells: the order's fate, and whether the answer was an honest one (invariant S)."""

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
    """`dishonest` says what the answer should not have been; `retry_after` is in seconds."""

    outcome: Outcome
    status: int | None = None
    reference: str | None = None
    replayed: bool = False
    retry_after: float = 0.0
    dishonest: str | None = None


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Classify one answer to POST /order."""
    document = _document(body)
    if status == OK:
        return _placed(document, headers)
    problem = _not_honest(status, headers, document)
    if status in BUSY:
        nothing_done = document.get("type") != "outcome-unknown"
        return Answer(
            "unavailable" if nothing_done else "unknown",
            status,
            retry_after=_seconds(headers.get("Retry-After")),
            dishonest=problem,
        )
    if 400 <= status < 500:  # noqa: PLR2004 - HTTP's own classes
        return Answer("refused", status, dishonest=problem)
    return Answer("unknown", status, dishonest=problem)


def judge_read(status: int, headers: Mapping[str, str], body: bytes, reference: str) -> str | None:
    """Return what is wrong with the answer to its owner's question for an order that was accepted, None if nothing."""
    document = _document(body)
    if status == OK:
        return None if document.get("orderid") == reference else f"GET answered another order than {reference}"
    if status == NOT_FOUND:
        return "an accepted order was answered 404 to its owner"
    return _not_honest(status, headers, document)


def _placed(document: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    reference = document.get("order_reference")
    if not isinstance(reference, str) or not reference:
        return Answer("unknown", OK, dishonest="200 without an order_reference")
    return Answer("ok", OK, reference, replayed=headers.get("Idempotent-Replayed") == "true")


def _not_honest(status: int, headers: Mapping[str, str], document: Mapping[str, Any]) -> str | None:
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
