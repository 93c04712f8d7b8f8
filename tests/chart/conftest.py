"""The service behind the chart's proxy in its tests."""

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from support.raw_https import FaultyService


@pytest.fixture
def service() -> Iterator[int]:
    """The port of a service that responds to every request."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), FaultyService)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
