"""The service behind the chart's proxy in its tests."""

from collections.abc import Iterator

import pytest

from support.raw_https import faulty_service


@pytest.fixture
def service() -> Iterator[int]:
    """The port of a service that responds to every request."""
    with faulty_service() as port:
        yield port
