"""After every test of an HTTP API, a check that no unexpected error occurred."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def no_defect_was_swallowed() -> Iterator[None]:
    """Fail a test in which a service had an unexpected error, which a client sees only as 503."""
    with capture_logs() as lines:
        yield

    assert [line for line in lines if line["event"] == "unexpected_error"] == []
