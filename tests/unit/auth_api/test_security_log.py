"""The log of security events."""

import pytest
from structlog.testing import capture_logs

from auth_api.login import WrongCredentials
from auth_api.security_log import security_event


def test_success_is_logged_with_user_and_address() -> None:
    with capture_logs() as lines, security_event("login", "alice", "192.0.2.1"):
        pass

    assert lines == [
        {
            "event": "security_event",
            "log_level": "info",
            "action": "login",
            "user": "alice",
            "outcome": "ok",
            "address": "192.0.2.1",
        }
    ]


def test_failure_is_logged_with_a_shortened_and_escaped_user_name() -> None:
    with (
        capture_logs() as lines,
        pytest.raises(WrongCredentials),
        security_event("login", "é\u202e" + "x" * 9000, "192.0.2.1"),
    ):
        raise WrongCredentials

    assert (lines[0]["outcome"], lines[0]["log_level"]) == ("WrongCredentials", "warning")
    assert lines[0]["user"] == "\\xe9\\u202e" + "x" * 62
