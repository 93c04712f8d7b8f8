"""Fixtures of the browser tests; without Chromium they are skipped, and the last lines of the output say so."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser

from local_stack.stack import Stack
from retail_cli import settings
from retail_cli.console import app, server
from retail_cli.session import Session
from shared.config.settings import load
from support import browser as chromium
from support.browser import Visit

Open = Callable[..., Visit]
TOKEN = "browser-test-" + "t" * 30


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not chromium.program():
        terminalreporter.write_line(f"BROWSER TESTS SKIPPED: {chromium.MISSING}", yellow=True, bold=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not chromium.program():
        pytest.skip(chromium.MISSING)
    with chromium.running() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Return a function that opens a page; after the test, an unexpected error in a page's console fails it."""
    with ExitStack() as visits:

        def open_page(url: str, **options: Any) -> Visit:
            opened = Visit(browser, url, **options)
            visits.callback(opened.close)
            return opened

        yield open_page


@pytest.fixture(scope="module")
def console_url(stack: Stack, browser: Browser) -> Iterator[str]:
    """The address of the operator's console, which runs in this process on the stack's servers."""
    assert browser.is_connected()
    session = Session(lambda: load(settings.OperatorSettings, stack.client("operator")))
    found = [(f"{service['name']}-{service['replica']}", service["admin_url"]) for service in stack.file["services"]]
    listening = server.listen(app.create_app(session, lambda: found, token=TOKEN, by="operator:ada"), 0)
    with server.running(listening):
        yield f"http://{server.HOST}:{listening.server_port}/{TOKEN}/"
    session.close()
