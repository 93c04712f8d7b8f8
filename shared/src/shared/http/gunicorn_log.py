"""gunicorn's own log lines: all are JSON, from the first line on, and none quotes a request."""

import logging
from typing import Any

from gunicorn import glogging  # type: ignore[import-untyped]

from shared.telemetry import log

REJECTED = "Invalid request from ip="  # this line quotes the request; `request_refused` replaces it
FAILED = "Error handling request"  # the line continues with the method and the URL, and so with the query


class JsonLogger(glogging.Logger):  # type: ignore[misc]
    """Replaces gunicorn's logger (`logger_class`)."""

    def setup(self, cfg: Any) -> None:
        """Configure the log of the whole process; gunicorn calls this before it logs anything."""
        super().setup(cfg)
        package: str = cfg.default_proc_name.partition(".")[0]  # the name is, for example, order_api.app:wsgi()
        log.configure(package.replace("_", "-"), cfg.loglevel)
        self.error_log.addFilter(hide_request)


def hide_request(record: logging.LogRecord) -> bool:
    """Return False for a line that must not be written; remove the request from other lines."""
    text = str(record.msg)
    if text.startswith(FAILED):
        record.msg, record.args = FAILED, ()
    return not text.startswith(REJECTED)
