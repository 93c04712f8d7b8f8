"""Runs the operator's command in this process, over a session in memory."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from fakes.operator import FakeSession
from retail_cli.main import app


def retail(session: FakeSession, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, obj=session)


def printed_json(result: Result) -> Any:
    """Return the JSON value that the command printed, whatever its exit code."""
    return json.loads(result.stdout)
