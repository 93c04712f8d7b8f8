"""Which traceparent headers are valid, and the contexts of new spans."""

import pytest

from shared.telemetry import trace_context

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("header", "is_good"),
    [
        (TRACE, True),
        (TRACE.replace("00-", "cc-", 1), True),
        (TRACE.replace("00-", "ff-", 1), False),
        (TRACE.upper(), False),
        (TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), False),
        (TRACE.replace("b7ad6b7169203331", "0" * 16), False),
        (TRACE + "-x", False),
        (TRACE + "\n", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_valid_traceparent_is_returned_and_an_invalid_one_ignored(header: object, *, is_good: bool) -> None:
    assert trace_context.parse(header) == (header if is_good else None)


def test_new_recorded_span_continues_its_parents_trace_or_begins_one() -> None:
    child, other, root = (trace_context.sampled(parent) for parent in (TRACE, TRACE, None))

    assert trace_context.trace_id(child) == trace_context.trace_id(TRACE) != trace_context.trace_id(root)
    assert len({TRACE, child, other, root}) == 4
    assert trace_context.sampled(TRACE[:-2] + "03").endswith("-03")
    assert all(trace_context.parse(new) and trace_context.is_sampled(new) for new in (child, other, root))
