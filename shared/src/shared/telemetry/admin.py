"""The admin port: liveness, readiness and metrics over plain HTTP, for the internal network only."""

import errno
import socket
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from shared.telemetry import log

Check = Callable[[], str | None]
USAGE = "GET or HEAD /livez, /readyz or /metrics"
logger = log.get(__name__)


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature of the base class
        logger.warning("admin_request_failed", exc_info=sys.exception())


class _Server6(_Server):
    address_family = socket.AF_INET6


def _listen(address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> _Server:
    """Listen on an address; `::` means all IPv4 and IPv6 addresses, or all IPv4 addresses on a system without IPv6."""
    host, port = address
    if ":" not in host:
        return _Server(address, handler)
    try:
        return _Server6(address, handler)
    except OSError as error:
        if host != "::" or error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            raise
        return _Server(("0.0.0.0", port), handler)


class AdminServer:
    """Serves `/livez`, `/readyz` and `/metrics` in its own threads until `close`.

    `live` and `ready` return None if all is well, or a sentence that names the problem (the response is then 503).
    """

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry, *, live: Check, ready: Check) -> None:
        checks = {"/livez": live, "/readyz": ready}

        class Handler(BaseHTTPRequestHandler):
            timeout = 5  # seconds without data from the client

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if check := checks.get(path):
                    problem = check()
                    self._answer(503 if problem else 200, "text/plain; charset=utf-8", (problem or "ok").encode())
                elif path == "/metrics":
                    encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
                    self._answer(200, content_type, encoder(registry))
                else:
                    self._answer(404, "text/plain; charset=utf-8", USAGE.encode())

            def do_HEAD(self) -> None:
                self.do_GET()

            def send_error(self, code: int, *_: object) -> None:
                """Respond to rejected requests; the base class would name Python's version and quote the request."""
                self.log_error("code %d", code)
                self.close_connection = True
                # the base class reports 501 for a method that has no do_METHOD
                status = 405 if code == HTTPStatus.NOT_IMPLEMENTED else code
                self._answer(status, "text/plain; charset=utf-8", f"{HTTPStatus(status).phrase}. {USAGE}".encode())

            def log_request(self, *_: object) -> None:
                """Log no request line."""

            def log_message(self, template: str, *values: object) -> None:
                """Log a request that the base class rejects, without its text, and a client that times out."""
                code = values[0] if values else None
                logger.info("admin_bad_request", detail=f"status {code:d}" if isinstance(code, int) else template)

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response_only(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        self._server = _listen(address, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="admin", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The TCP port in use."""
        return self._server.server_port

    def close(self) -> None:
        """Stop serving and close the port."""
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.server_close()
