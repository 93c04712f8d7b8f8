"""Whether a part of the local stack is ready, by the response of its check URL."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from local_stack.services import is_ready
from support.free_ports import free_port


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a server that returns the status in the path, such as 503 for `/503`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(int(self.path[1:]))
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("status", "expected"), [(200, True), (404, False), (503, False)])
def test_part_is_ready_only_if_its_check_succeeds(url: str, status: int, *, expected: bool) -> None:
    assert is_ready(check_url=f"{url}/{status}") is expected


def test_part_that_does_not_listen_is_not_ready() -> None:
    assert not is_ready(check_url=f"http://127.0.0.1:{free_port()}/readyz")
