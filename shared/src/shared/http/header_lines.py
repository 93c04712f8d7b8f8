"""Repeated header lines, checked before WSGI joins them with commas into one value."""

from collections.abc import Sequence
from typing import Any

from gunicorn.http.errors import InvalidHeader  # type: ignore[import-untyped]

# Two lines of such a header have no single meaning: joined, two idempotency keys would be a third key. Commas inside
# one line are legal.
SINGLE = {name.upper(): name for name in ("Idempotency-Key", "Authorization", "Content-Type", "Content-Length")}
IGNORED_IF_REPEATED = frozenset({"TRACEPARENT"})  # W3C Trace Context, section 3.2

Headers = Sequence[tuple[str, str]]


class RepeatedHeader(InvalidHeader):  # type: ignore[misc]
    """A header line was repeated that may be sent only once; gunicorn returns 400 with the text of this error."""

    def __str__(self) -> str:
        return f"Repeated header line: {SINGLE[self.hdr]}"


def check(headers: Headers, request: Any = None) -> list[tuple[str, str]]:
    """Return the headers, without a repeated `traceparent`; raise RepeatedHeader if one of SINGLE is repeated.

    Names are in upper case, as gunicorn's parser returns them.
    """
    seen: set[str] = set()
    repeated: set[str] = set()
    for name, _ in headers:
        if name in seen and name in SINGLE:
            raise RepeatedHeader(name, request)
        (repeated if name in seen else seen).add(name)
    return [(name, value) for name, value in headers if name not in repeated & IGNORED_IF_REPEATED]
