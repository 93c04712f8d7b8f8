"""W3C Trace Context: the `traceparent` of a request, an order's document and its event. Pure."""

import re

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII
)  # a version 00 header, or that part of a later one which version 00 knows


def parse(value: object) -> str | None:
    """Return the value if it is a valid traceparent, otherwise None: an invalid one is ignored."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None
