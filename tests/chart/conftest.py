"""A service to which the chart's proxy forwards requests."""

from collections.abc import Iterator

import pytest

from support.raw_https import faulty_service


@pytest.fixture
def service() -> Iterator[int]:
    """The port of a service that returns each request as JSON."""
    with faulty_service() as port:
        yield port
