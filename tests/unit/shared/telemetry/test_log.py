"""Log lines are JSON in ASCII with the common fields."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging
import structlog
from shared.telemetry import log

log.configure("order-api", "info")
logger = log.get("order_api.routes")
structlog.contextvars.bind_contextvars(request_id="r1")
logger.info("request", status=200, of=ValueError("x"))
logger.info("odd", text="caf\\u00e9 \\x9b31m", lone="\\ud800", large=2**70)
logger.info("odd", text="delete \\x7f")
logger.info("odd", text="caf\\u00e9")
logger.debug("hidden")
try:
    secret = "hidden-local"
    raise RuntimeError("broken")
except RuntimeError:
    logger.exception("failed")
logging.getLogger("gunicorn.error").warning("from a library %s", "\\u20ac")
"""


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """Log lines of a separate process, because the logging configuration is global.

    They are in the order of their times: lines of libraries are written at once, and can precede earlier ones.
    """
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, timeout=60, check=True)
    assert ended.stderr == b""
    return sorted(ended.stdout.splitlines(), key=lambda line: str(json.loads(line)["timestamp"]))


def test_each_line_is_json_with_the_common_fields(lines: list[bytes]) -> None:
    events = [json.loads(line) for line in lines]

    assert [e["event"] for e in events] == ["request", "odd", "odd", "odd", "failed", "from a library \u20ac"]
    assert [e["level"] for e in events] == ["info"] * 4 + ["error", "warning"]
    assert {e["service"] for e in events} == {"order-api"}
    assert {e["request_id"] for e in events} == {"r1"}
    assert all(e["timestamp"].endswith("Z") for e in events)
    assert (events[0]["status"], events[0]["of"]) == (200, "ValueError('x')")


def test_line_is_ascii_and_keeps_every_value(lines: list[bytes]) -> None:
    odd = json.loads(lines[1])

    assert all(line.decode("ascii").isprintable() for line in lines)
    assert (odd["text"], odd["lone"], odd["large"]) == ("caf\u00e9 \x9b31m", "\ud800", 2**70)
    assert [json.loads(line)["text"] for line in lines[2:4]] == ["delete \x7f", "caf\u00e9"]


def test_traceback_is_logged_without_local_variables(lines: list[bytes]) -> None:
    (trace,) = json.loads(lines[4])["exception"]

    assert (trace["exc_type"], trace["exc_value"]) == ("RuntimeError", "broken")
    assert b"hidden-local" not in lines[4]
