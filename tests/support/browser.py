"""The system's Chromium, driven by Playwright, and what every page must keep to."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "the browser tests need Chromium: install it (on Debian: apt install chromium)"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark-phone": {"color_scheme": "dark", "size": PHONE},
}
ANSWER_MS = 30_000
expect.set_options(timeout=ANSWER_MS)  # the limit for conditions is the same as for responses


def program() -> str | None:
    """Return the path of the installed Chromium, None if there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@contextmanager
def running(**environ: str | float | bool) -> Iterator[Browser]:
    """Run the browser. Until the context is left, the thread has no event loop for others."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to run as root with it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(), args=[*sandbox, "--disable-dev-shm-usage"], env={**os.environ, **environ}
        )
        yield browser
        browser.close()


class Visit:
    """A page in a separate window. `close` fails if the browser's console has an error that no test provoked.

    `refusals` are the statuses that the test provokes: the browser itself reports each of them as an error.
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
        """Return what axe-core finds serious or critical on the page as it is now."""
        self.page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {node['html']}"
            for violation in found["violations"]
            if violation["impact"] in {"serious", "critical"}
            for node in violation["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))


def become_visitor(page: Page) -> str:
    """Register a visitor with one click; return the name."""
    page.get_by_role("button", name="Continue as a visitor").click()
    expect(page.locator("#account")).to_be_visible()
    return str(page.locator("#account strong").inner_text())


def place(page: Page, *goods: str) -> None:
    """Order the goods on the shop page."""
    for good in goods:
        page.get_by_role("button", name=f"Add {good}").click()
    page.get_by_role("button", name="Place the order").click()
