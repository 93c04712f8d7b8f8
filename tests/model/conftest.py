"""What the tests of the model share; after the mutants a table tells which promise each of them broke."""

import logging
from collections.abc import Iterator

import pytest
import structlog


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
            terminalreporter.write_line(f"{row['safeguard']:57} | {row['history']:42} | {row['message']}")
