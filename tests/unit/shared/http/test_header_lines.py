"""Which headers may be repeated in a request."""

import pytest

from shared.http.header_lines import RepeatedHeader, check


@pytest.mark.parametrize("name", ["Idempotency-Key", "Authorization", "Content-Type", "Content-Length"])
def test_repeated_header_that_must_be_single_is_rejected(name: str) -> None:
    lines = [(name.upper(), "a"), ("ACCEPT", "b"), (name.upper(), "a")]

    with pytest.raises(RepeatedHeader, match=f"Repeated header line: {name}"):
        check(lines)


def test_repeated_traceparent_is_ignored() -> None:
    lines = [("TRACEPARENT", "a"), ("ACCEPT", "b"), ("TRACEPARENT", "c")]

    assert check(lines) == [("ACCEPT", "b")]


def test_accept_header_may_be_repeated() -> None:
    lines = [("ACCEPT", "a"), ("TRACEPARENT", "t"), ("ACCEPT", "b"), ("IDEMPOTENCY-KEY", "k,l")]

    assert check(lines) == lines
