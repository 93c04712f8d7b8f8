"""gunicorn's settings for both APIs: one worker process with threads; scaling is by replicas.

So every replica tells its own truth in `/metrics`, and breakers need no shared state. The application is made in the
worker, after the fork: MongoDB and Kafka clients do not survive one.
"""

import os
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]

from shared.config.service_settings import ServerSettings
from shared.config.settings import load
from shared.http import gunicorn_errors as refusals
from shared.http import header_lines
from shared.telemetry import log

_own = load(ServerSettings, os.environ)  # gunicorn writes the SettingsError to standard error, and exits with 1

bind = ":".join(map(str, _own.http_bind))
workers = 1
worker_class = "gthread"
threads = _own.http_threads
preload_app = False
backlog = 512
worker_connections = 1000
keepalive = 75  # longer than the proxy keeps an idle connection, so that the proxy is the one who closes
timeout = 30
graceful_timeout = 25  # for all of a stop: requests in hand, the flush to Kafka (10 s), closing
# The proxy in front bounds what a head may hold, and says so as a problem document; here nothing is stricter.
limit_request_line = 0
limit_request_fields = 32768
limit_request_field_size = 16384  # 0 would mean 8190, which is less than nginx lets pass
forwarded_allow_ips = "*"  # who forwarded is decided by TRUSTED_PROXIES, not here
secure_scheme_headers: dict[str, str] = {}  # a client's X-Forwarded-Ssl would contradict the proxy's, and be refused
forwarder_headers = ""
proc_name = "retail-orders"
control_socket_disable = True  # it would lie in the home folder, one for all replicas
accesslog = None
errorlog = "-"
loglevel = _own.log_level
logconfig_dict: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"gunicorn.error": {"propagate": True, "handlers": [], "level": loglevel.upper()}},
}


def on_starting(server: Any) -> None:
    """Write the master's own lines as JSON too, under the service's name."""
    package: str = server.app.app_uri.partition(".")[0]
    log.configure(package.replace("_", "-"), loglevel)


def post_fork(_server: Any, _worker: Any) -> None:
    """Have gunicorn's own refusals look like ours; it has no setting for that."""
    util.write_error = refusals.write


def pre_request(_worker: Any, request: Any) -> None:
    """Check the header lines while they are still apart: WSGI joins repeated ones."""
    request.headers = header_lines.check(request.headers, request)


def worker_exit(_server: Any, worker: Any) -> None:
    """Let the application finish what is in hand: `app.extensions["shutdown"]` is its own function for that."""
    if application := getattr(worker, "wsgi", None):  # none when it failed to start
        application.extensions["shutdown"]()
