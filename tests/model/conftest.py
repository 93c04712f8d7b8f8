"""The mutants run only when asked for: `MUTANTS=1` (make test-mutants). At their end a table tells what caught each."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

collect_ignore = [] if os.environ.get("MUTANTS") else ["test_mutants.py"]


@pytest.fixture
def _silence() -> Iterator[None]:
    """Write no log lines: a history has hundreds of them, and rightly so."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table: the safeguard that was off, and the promise that a history saw broken."""
    rows = [dict(report.user_properties) for report in terminalreporter.getreports("passed")]
    for row in rows:
        if "safeguard" in row:
            terminalreporter.write_line(f"off: {row['safeguard']:58} | history {row['histories']:4} | {row['message']}")
