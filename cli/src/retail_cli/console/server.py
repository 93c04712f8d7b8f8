"""Serves the console on loopback, for one person."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

HOST = "127.0.0.1"
IDLE_SECONDS = 30


class _Handler(WSGIRequestHandler):
    timeout = IDLE_SECONDS

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's signature
        """Log nothing: the path of a request contains the token."""

    def version_string(self) -> str:
        """Name the server without its version."""
        return "retail"


def listen(app: Flask, port: int) -> BaseWSGIServer:
    """Return a server that listens on `port` of 127.0.0.1; 0 chooses a free port.

    Raise OSError or SystemExit if the port cannot be used.
    """
    return make_server(HOST, port, app, threaded=True, request_handler=_Handler)


@contextmanager
def running(server: BaseWSGIServer) -> Iterator[None]:
    """Serve in a thread until the context is left."""
    thread = Thread(target=server.serve_forever, name="console", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
