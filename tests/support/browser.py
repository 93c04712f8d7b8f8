"""Chromium as installed on this machine, driven by Playwright, and the checks that every page must pass."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "the browser tests need Chromium: install it (on Debian: apt install chromium)"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark-phone": {"color_scheme": "dark", "size": PHONE},
}
ANSWER_MS = 30_000
expect.set_options(timeout=ANSWER_MS)  # conditions get the same time limit as responses


def program() -> str | None:
    """Return the path of the installed Chromium, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@contextmanager
def running() -> Iterator[Browser]:
    """Run the browser. Until the context ends, nothing else can run an event loop in this thread."""
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@contextmanager
def launched(playwright: Playwright, **environ: str | float | bool) -> Iterator[Browser]:
    """Run a browser with these environment variables in addition to those of this process."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root, Chromium does not start with its sandbox
    browser = playwright.chromium.launch(
        executable_path=program(), args=[*sandbox, "--disable-dev-shm-usage"], env={**os.environ, **environ}
    )
    yield browser
    browser.close()


class Visit:
    """A page with its own cookies and storage. `close` fails after an unexpected error or warning.

    `refusals` are the error statuses that the test causes: the browser reports each of them in the console.
    """

    def __init__(self, browser: Browser, url: str, *, size: dict[str, int] | None = None, **options: Any) -> None:
        self._context = browser.new_context(viewport=size or DESK, ignore_https_errors=True, **options)  # type: ignore[arg-type]
        self.errors: list[str] = []
        self.refusals: set[int] = set()
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(ANSWER_MS)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not self._is_provoked(message.text):
            self.errors.append(message.text)

    def _is_provoked(self, text: str) -> bool:
        return any(f"responded with a status of {status} " in text for status in self.refusals)

    def close(self) -> None:
        self._context.close()
        assert self.errors == []

    def serious_problems(self) -> list[str]:
        """Return the accessibility violations of the page that axe-core rates serious or critical."""
        self.page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {node['html']}"
            for violation in found["violations"]
            if violation["impact"] in {"serious", "critical"}
            for node in violation["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window; 0 if it fits."""
        return int(self.page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))


def become_visitor(page: Page) -> str:
    """Register a visitor with one click; return the generated user name."""
    page.get_by_role("button", name="Continue as a visitor").click()
    expect(page.locator("#account")).to_be_visible()
    return str(page.locator("#account strong").inner_text())


def place(page: Page, *goods: str) -> None:
    """Put these items into the basket and place the order."""
    for good in goods:
        page.get_by_role("button", name=f"Add {good}").click()
    page.get_by_role("button", name="Place the order").click()
