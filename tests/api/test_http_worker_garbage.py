"""The worker exempts the application that it has started from garbage collection."""

from pathlib import Path

from support.wait import until
from support.worker_server import WorkerServer


def test_started_application_is_exempt_from_garbage_collection(tmp_path: Path) -> None:
    server = WorkerServer(tmp_path)
    try:
        until(server.is_serving, "gunicorn to serve", seconds=60)
        with server.client() as client:
            _, _, exempt = client.get("exempt")
    finally:
        server.stop()

    assert int(exempt) > 10_000
