"""W3C Trace Context: the `traceparent` of a request, an order's document and its event. Pure functions."""

import re
from random import getrandbits

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII
)  # version 00 of the format; a later version is accepted only if it has the same four fields


def parse(value: object) -> str | None:
    """Return the value if it is a valid traceparent, otherwise None: an invalid one is ignored."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def trace_id(traceparent: str) -> str:
    """Return the trace id, 32 hexadecimal digits."""
    return traceparent[3:35]


def is_sampled(traceparent: str) -> bool:
    """Return whether the trace is recorded, which is bit 0 of the flags."""
    return traceparent[-1] in "13579bdf"


def without_flag(traceparent: str) -> str:
    """Return the same context, marked as not recorded."""
    return traceparent[:-2] + "00"


def unsampled() -> str:
    """Return the context of a new trace that is not recorded: its id still connects the log lines of all services."""
    return without_flag(sampled(None))


def sampled(parent: str | None) -> str:
    """Return the context of a new span that is recorded: in the trace of `parent` with its flags, or in a new trace."""
    trace, flags = (trace_id(parent), parent[-2:]) if parent else (f"{getrandbits(128) or 1:032x}", "01")
    return f"00-{trace}-{getrandbits(64) or 1:016x}-{flags}"


def log_field(traceparent: str | None) -> dict[str, str]:
    """Return the log fields of a trace: its id, or no field if there is no trace."""
    return {"trace_id": trace_id(traceparent)} if traceparent else {}


def exemplar(traceparent: str | None) -> dict[str, str] | None:
    """Return the exemplar labels that link a histogram to a recorded trace, or None if the trace is not recorded."""
    return {"trace_id": trace_id(traceparent)} if traceparent and is_sampled(traceparent) else None
