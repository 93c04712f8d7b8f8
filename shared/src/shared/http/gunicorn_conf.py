"""gunicorn's settings for both APIs: one worker process with threads, scaled by replicas.

So each replica has its own `/metrics`, and breakers need no shared state. The application is created in the worker,
after the fork: MongoDB and Kafka clients do not survive a fork.
"""

import os
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]

from shared import garbage
from shared.config.service_settings import ServerSettings
from shared.config.settings import load
from shared.http import header_lines
from shared.http.gunicorn_errors import write_error

_own = load(ServerSettings, os.environ)  # on a SettingsError gunicorn writes it to standard error and exits with 1

_host, _port = _own.http_bind
bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"
workers = 1
worker_class = "shared.http.gunicorn_worker.LeaderFollowerWorker"
threads = _own.http_threads
preload_app = False
backlog = 512
worker_connections = 1000
keepalive = 75  # longer than the proxy keeps an idle connection, so that the proxy closes it first
timeout = 30
graceful_timeout = 25  # for the whole shutdown: requests in flight, the flush to Kafka (10 s), closing the clients
# The proxy limits the request line and headers, and responds with a problem document; no limit here is stricter.
limit_request_line = 0
limit_request_fields = 32768
limit_request_field_size = 16384  # 0 would mean 8190, which is less than nginx accepts
forwarded_allow_ips = "*"  # TRUSTED_PROXIES decides which proxies are trusted, not gunicorn
# empty: otherwise gunicorn would reject a request whose X-Forwarded-Ssl contradicts the proxy's X-Forwarded-Proto
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "refuse"  # reject header names with "_": by default Idempotency_Key would be dropped silently
proc_name = "retail-orders"
control_socket_disable = True  # otherwise all replicas would share one control socket in the home directory
accesslog = None
errorlog = "-"
logger_class = "shared.http.gunicorn_log.JsonLogger"
loglevel = _own.log_level
logconfig_dict: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"gunicorn.error": {"propagate": True, "handlers": [], "level": loglevel.upper()}},
}


def post_fork(_server: Any, _worker: Any) -> None:
    """Replace gunicorn's own error responses, for which gunicorn has no setting."""
    util.write_error = write_error


def post_worker_init(_worker: Any) -> None:
    """Exempt the started application from garbage collection."""
    garbage.exempt_all()


def pre_request(_worker: Any, request: Any) -> None:
    """Check for repeated header lines now: later, WSGI joins them into one value."""
    request.headers = header_lines.check(request.headers, request)


def worker_exit(_server: Any, worker: Any) -> None:
    """Let the application finish what is in flight, by calling `app.extensions["shutdown"]`."""
    if application := getattr(worker, "wsgi", None):  # missing if the application failed to start
        application.extensions["shutdown"]()
