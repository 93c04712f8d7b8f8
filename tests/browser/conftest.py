"""Fixtures of the browser tests. Without Chromium the tests are skipped, and the last lines of the output say so."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from local_stack.stack import Stack
from retail_cli import settings
from retail_cli.console import app, server
from retail_cli.session import Session
from shared.config.settings import load
from support import browser as chromium
from support.browser import Visit

Open = Callable[..., Visit]
_shared = ExitStack()
TOKEN = "browser-test-" + "t" * 30


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not chromium.program():
        terminalreporter.write_line(f"BROWSER TESTS SKIPPED: {chromium.MISSING}", yellow=True, bold=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without Chromium, skip a browser test before its fixtures start the system."""
    if "playwright" in getattr(item, "fixturenames", ()) and not chromium.program():
        pytest.skip(chromium.MISSING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Iterator[None]:
    """Stop the browser after the last test of this folder: while it runs, this thread cannot run another event loop."""
    yield
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        _shared.close()
        _start.cache_clear()


@cache
def _start() -> tuple[Playwright, Browser]:
    playwright = _shared.enter_context(sync_playwright())
    return playwright, _shared.enter_context(chromium.launched(playwright))


@pytest.fixture
def playwright() -> Playwright:
    """The Playwright driver that the tests of this folder share."""
    return _start()[0]


@pytest.fixture
def browser(playwright: Playwright) -> Browser:  # noqa: ARG001 - started together
    """The browser that the tests of this folder share; each test opens its own windows."""
    return _start()[1]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Return a function that opens a page; the test fails at its end if a page had an unexpected error or warning."""
    with ExitStack() as visits:

        def open_page(url: str, **options: Any) -> Visit:
            opened = Visit(browser, url, **options)
            visits.callback(opened.close)
            return opened

        yield open_page


@pytest.fixture(scope="module")
def console_url(stack: Stack) -> Iterator[str]:
    """The address of the operator's console, which runs in this process and uses the stack's MongoDB and Kafka."""
    session = Session(lambda: load(settings.OperatorSettings, stack.client("operator")))
    found = [(f"{service['name']}-{service['replica']}", service["admin_url"]) for service in stack.file["services"]]
    listening = server.listen(app.create_app(session, lambda: found, token=TOKEN, by="operator:ada"), 0)
    with server.running(listening):
        yield f"http://{server.HOST}:{listening.server_port}/{TOKEN}/"
    session.close()
