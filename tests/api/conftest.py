"""What every test of an HTTP API checks besides its own claim."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def no_defect_was_swallowed() -> Iterator[None]:
    """An error that nobody foresaw is answered politely; here it fails the test that met it."""
    with capture_logs() as lines:
        yield

    assert [line for line in lines if line["event"] == "unexpected_error"] == []
