"""The operator's console (`retail console`) as a part of the stack."""

import secrets
import sys
from pathlib import Path

from local_stack import secret_files
from local_stack.options import Folders, environment
from local_stack.ports import HOST, listening
from local_stack.process import Part

RETAIL = (sys.executable, "-c", "from retail_cli.main import main; main()")


def part(folders: Folders, *, port: int, stack_file: Path) -> tuple[Part, str]:
    """Return the console as a part that listens on `port`, and its address, which contains a new secret.

    The secret and the operator's credentials are in files that only this user can read, never in an argument.
    """
    token = secrets.token_urlsafe(32)
    token_file = secret_files.write(folders.config("console") / "token", token)
    options = ("--port", str(port), "--token-file", str(token_file), "--stack", str(stack_file))
    found = Part(
        name="console",
        command=[*RETAIL, "--env-file", str(folders.clients / "operator.env"), "console", *options],
        environment=environment(PYTHONUNBUFFERED="1"),
        log=folders.log / "console.log",
        ready=lambda: listening(port),
    )
    return found, f"http://{HOST}:{port}/{token}/"
