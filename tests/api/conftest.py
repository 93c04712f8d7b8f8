"""What every test of an HTTP API checks in addition."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def no_defect_was_swallowed() -> Iterator[None]:
    """A service returns 503 for an unexpected error; fail the test in which that happens."""
    with capture_logs() as lines:
        yield

    assert [line for line in lines if line["event"] == "unexpected_error"] == []
