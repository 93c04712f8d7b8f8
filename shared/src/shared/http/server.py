"""Starting an API: its program becomes gunicorn."""

import os
import sys
from typing import NoReturn


def become_gunicorn(app: str) -> NoReturn:
    """Replace this process by gunicorn, which calls `app`, such as `order_api.app:wsgi()`, in its worker."""
    command = [sys.executable, "-m", "gunicorn", "--config", "python:shared.http.gunicorn_conf", app]
    os.execv(command[0], command)  # noqa: S606 - the purpose
