"""Shared fixtures of the model's tests, and a table that shows which promise each mutant broke.

With `FAULTS` set (make test-mutants), the results are also stored for docs/guarantees.md.
"""

import logging
from collections.abc import Iterator

import pytest
import structlog

from faults.harness.results import HISTORY, MUTANTS, Result, part
from faults.harness.scale import SCALE


@pytest.fixture
def _silence() -> Iterator[None]:
    """Disable logging: a history writes hundreds of expected lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print for each mutant the missing safeguard, the history that needs it, and the broken promise."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            row = dict(report.user_properties)
            if "safeguard" in row:
                broken = row.get("message", "none")
                terminalreporter.write_line(f"{row['safeguard']:57} | {row['history']:42} | {broken}")
                if SCALE:
                    _keep(outcome, row["safeguard"], row["history"], broken)


def _keep(outcome: str, safeguard: str, history: str, broken: str) -> None:
    Result(
        row=MUTANTS,
        part=part(HISTORY, safeguard),
        scale=SCALE,
        title=safeguard,
        test=f"short_histories.py::{history}",
        outcome=outcome,
        figures={"broken": broken},
    ).save()
