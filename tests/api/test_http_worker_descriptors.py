"""The gunicorn worker of both APIs without free file descriptors."""

from contextlib import ExitStack
from pathlib import Path

import psutil

from support.wait import until
from support.worker_server import WorkerServer


def test_worker_without_free_file_descriptors_serves_its_connections(tmp_path: Path) -> None:
    with ExitStack() as ends:
        server = WorkerServer(tmp_path)
        ends.callback(lambda: server.process.poll() is None and server.stop())
        until(server.is_serving, "gunicorn to serve", seconds=60)
        (worker,) = psutil.Process(server.process.pid).children()
        served = [ends.enter_context(server.client()) for _ in range(2)]
        assert [client.get("a")[0] for client in served] == [200, 200]
        used = max(int(file.name) for file in Path(f"/proc/{worker.pid}/fd").iterdir())
        _, hard = worker.rlimit(psutil.RLIMIT_NOFILE)
        worker.rlimit(psutil.RLIMIT_NOFILE, (used + 1, hard))
        waiting = [ends.enter_context(server.client()) for _ in range(3)]
        for client in waiting:
            client.send("GET /b HTTP/1.1\r\nHost: api\r\n\r\n")
        until(lambda: "Too many open files" in server.log(), "the limit to be reached")
        during = [client.get("c")[0] for client in served]
        worker.rlimit(psutil.RLIMIT_NOFILE, (used + 50, hard))

        assert during == [200, 200]
        assert [client.read()[0] for client in waiting] == [200] * 3
        assert worker.is_running()
