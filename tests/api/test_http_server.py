"""gunicorn prints one error and exits if an environment variable is invalid."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("app", ["order_api.app:wsgi()", "auth_api.app:wsgi()"])
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LOG_LEVEL", "loud", "LOG_LEVEL: must be debug, info, warning or error, not 'loud'"),
        ("HTTP_THREADS", "many", "HTTP_THREADS: must be a whole number from 1 to 256, not 'many'"),
        ("HTTP_BIND", "8080", "HTTP_BIND: must be host:port, not '8080'"),
    ],
)
def test_gunicorn_names_an_invalid_environment_variable(app: str, name: str, value: str, sentence: str) -> None:
    command = [sys.executable, "-m", "gunicorn", "--config", "python:shared.http.gunicorn_conf", app]
    environ = {"PATH": os.environ["PATH"], name: value}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert (ended.stdout, ended.stderr) == ("", f"\nError: {sentence}\n")
