"""A secret in a request appears in no response, metric or log line; only a tried user name is logged."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from support.canary import SECRET

TESTS = Path(__file__).parents[1]


class Output(NamedTuple):
    """The log of both APIs, and the texts of their responses and metrics."""

    log: str
    answers: list[str]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Output:
    """The output of a separate process, in which logging is set up as in production."""
    answers = tmp_path_factory.mktemp("canary") / "answers"
    run = subprocess.run(
        [sys.executable, "-m", "support.canary", str(answers)],
        cwd=TESTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    return Output(run.stdout, [json.loads(line) for line in answers.read_text().splitlines()])


def test_requests_got_responses_and_were_logged(output: Output) -> None:
    """Without these responses and log lines, the tests below would prove nothing."""
    lines = [json.loads(line) for line in output.log.splitlines()]
    statuses = {line["status"] for line in lines if line["event"] == "request"}

    assert {200, 201, 400, 401, 404, 409, 415, 422, 503} <= statuses
    assert sum(line["event"] == "unexpected_error" for line in lines) >= 6
    assert len(output.answers) > 40


def without_tried_name(line: str) -> str:
    """Return a log line without the tried user name, which a security event logs on purpose."""
    if '"event":"security_event"' not in line:
        return line
    return json.dumps(json.loads(line) | {"user": None})


def test_no_secret_is_logged_except_a_tried_user_name(output: Output) -> None:
    assert "exception" in output.log
    assert [line for line in output.log.splitlines() if SECRET in without_tried_name(line)] == []


def test_no_secret_is_in_a_response_or_metric(output: Output) -> None:
    assert [text for text in output.answers if SECRET in text] == []
