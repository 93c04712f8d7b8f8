"""The admin port: liveness, readiness and metrics, plain HTTP, for the inside only."""

import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from shared.telemetry import log

Check = Callable[[], str | None]
logger = log.get(__name__)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's own names
        logger.warning("admin_request_failed", exc_info=sys.exception())


class AdminServer:
    """Serves `/livez`, `/readyz` and `/metrics` from threads of its own until `close`.

    `live` and `ready` return None when all is well, else a sentence that says what is not (answered with 503).
    """

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry, *, live: Check, ready: Check) -> None:
        checks = {"/livez": live, "/readyz": ready}

        class Handler(BaseHTTPRequestHandler):
            timeout = 5  # seconds for a silent client

            def do_GET(self) -> None:
                if check := checks.get(self.path):
                    trouble = check()
                    self._answer(503 if trouble else 200, "text/plain; charset=utf-8", (trouble or "ok").encode())
                elif self.path == "/metrics":
                    encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
                    self._answer(200, content_type, encoder(registry))
                else:
                    self._answer(404, "text/plain; charset=utf-8", b"/livez, /readyz or /metrics")

            def log_message(self, template: str, *values: object) -> None:
                """Be called by the base class for what it refuses by itself, and for a client that stays silent."""
                logger.info("admin_bad_request", detail=template % values)

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response_only(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = _Server(address, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="admin", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.server_close()
