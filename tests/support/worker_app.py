"""A WSGI application with one path per situation; gunicorn runs it in the tests of its worker."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from shared.http import gunicorn_worker

gunicorn_worker.TRANSFER_SECONDS = float(os.environ.get("TRANSFER_SECONDS", "10"))
gunicorn_worker.STOP_LINGER_SECONDS = float(os.environ.get("STOP_LINGER_SECONDS", "2"))
LARGE = b"x" * 64 * 1024 * 1024  # more than the buffers of both ends hold
GATE = threading.Semaphore(0)
TEXT = [("Content-Type", "text/plain")]


class App:
    """Handles each path in its own way. `extensions` is what `gunicorn_conf` expects of an application."""

    def __init__(self) -> None:
        self.extensions: dict[str, Callable[[], None]] = {"shutdown": lambda: print("finished", flush=True)}

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes] | list[bytes]:
        """Handle one request."""
        action = environ["PATH_INFO"].strip("/")
        if action == "gate":  # wait until a request to /open releases it
            print("waiting", flush=True)
            GATE.acquire(timeout=20)
        elif action == "open":
            GATE.release()
        elif action == "fail":
            raise RuntimeError("a defect of the application")
        elif action == "fail-late":
            return _fail_late(start)
        elif action == "pause":
            time.sleep(0.2)
        body = LARGE if action == "large" else action.encode()
        if action == "echo":
            body = environ["wsgi.input"].read()
        elif action == "exempt":  # the number of objects that no garbage collection visits
            body = str(gc.get_freeze_count()).encode()
        start("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
        return [body]


def _fail_late(start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [*TEXT, ("Content-Length", "10")])
    yield b"part"
    raise RuntimeError("a defect in the middle of a response")


app = App()
