"""gunicorn with the APIs' shared configuration, running support.worker_app, and a raw HTTP client."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

import psutil

from support.free_ports import free_port

TESTS = Path(__file__).parents[1]
THREADS = 2


class RawClient:
    """One raw connection; `get` sends a request and returns the response's status, headers and body."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._received = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._received.close()
        self.socket.close()

    def get(self, path: str, version: str = "1.1") -> tuple[int, str, bytes]:
        self.send(f"GET /{path} HTTP/{version}\r\nHost: api\r\n\r\n")
        return self.read()

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode())

    def read(self) -> tuple[int, str, bytes]:
        """Return the next response; its status is 0 if the server closed the connection."""
        head = b""
        try:
            while (line := self._received.readline()) not in {b"", b"\r\n"}:
                head += line
            if not head:
                return 0, "", b""
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length, head
            return int(head.split()[1]), head.decode(), self._received.read(int(length[1]))
        except ConnectionResetError:
            return 0, "", b""

    def is_closed(self) -> bool:
        """Wait for a response or the end of the connection; return whether it ended."""
        return self.read()[0] == 0


class WorkerServer:
    """A running gunicorn with the APIs' shared configuration and the application in support.worker_app."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.port = free_port()
        self._log = folder / "log"
        command = [sys.executable, "-m", "gunicorn", "--config", "python:shared.http.gunicorn_conf"]
        variables = {"HTTP_BIND": f"127.0.0.1:{self.port}", "HTTP_THREADS": str(THREADS), "LOG_LEVEL": "debug"}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--chdir", str(TESTS), *options, "support.worker_app:app"],
                env={"PATH": os.environ["PATH"]} | variables | environ,
                stdout=log,
                stderr=log,
            )

    def log(self) -> str:
        return self._log.read_text()

    def client(self) -> RawClient:
        return RawClient(self.port)

    def is_serving(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            with self.client() as client:
                return client.get("hello")[0] == 200
        except OSError:
            return False

    def errors(self) -> list[str]:
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line["event"] for line in lines if line["level"] in {"error", "critical"}]

    def workers(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)
