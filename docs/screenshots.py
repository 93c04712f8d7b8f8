"""Takes screenshots of the running system for the docs: `make run` in one terminal, `make screenshots` in another."""

import json
import secrets
import ssl
import sys
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
from support import browser as chromium  # noqa: E402 - tests are not a package

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 900}


def main() -> None:
    """Write every picture; exit with an error if the system does not run or Chromium is missing."""
    if not chromium.program():
        sys.exit(chromium.MISSING)
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".local/stack.json"
    try:
        stack = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sys.exit("start the system first, in another terminal: PROCESSOR_REFUSED_ITEMS=anvil make run")
    IMAGES.mkdir(exist_ok=True)
    with chromium.running() as browser:
        _shop(_page(browser, stack["base_url"]))
        _shop(_page(browser, stack["base_url"], color_scheme="dark"), "shop-dark")
        _place_some_orders(stack)
        _console(_page(browser, stack["console"]["url"]))


def _page(browser: Browser, url: str, **options: Any) -> Page:
    context = browser.new_context(viewport=SIZE, ignore_https_errors=True, **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    return page


def _shop(page: Page, name: str = "shop") -> None:
    """Place an order on the shop page, and save a picture of the page once the order is PROCESSED."""
    page.get_by_role("button", name="Continue as a visitor").click()
    page.locator("#account").wait_for()
    for good in ("Darjeeling tea", "Oat biscuits", "Oat biscuits"):
        page.get_by_role("button", name=f"Add {good}").click()
    page.get_by_role("button", name="Place the order").click()
    page.locator("#order .timeline .done .processed").wait_for()
    page.evaluate("document.activeElement.blur()")
    _save(page, name)


def _console(page: Page) -> None:
    for panel in ("lag", "breakers"):
        page.locator(f".panel.{panel} table").wait_for()
    page.locator(".panel.dead_letters h2").wait_for()
    _save(page, "console", full_page=True)


def _save(page: Page, name: str, *, full_page: bool = False) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled", full_page=full_page)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB")


def _place_some_orders(stack: dict[str, Any]) -> None:
    """Place orders for the console to show; some become FAILED if `make run` has PROCESSOR_REFUSED_ITEMS=anvil."""
    name, password = f"ada-{secrets.token_hex(2)}", secrets.token_urlsafe(16)
    context = ssl.create_default_context(cafile=stack["ca"])
    with httpx.Client(base_url=stack["base_url"], verify=context, timeout=30) as client:
        client.post("/api/users", json={"username": name, "password": password}).raise_for_status()
        token = client.get("/api/token", auth=(name, password)).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        for item in ("tea", "honey", "anvil", "bread", "anvil"):
            order = {"userid": name, "cost": "9.90", "orderitems": [item]}
            placed = client.post("/order", json=order, headers=headers).raise_for_status().json()
            client.get("/orderdetails", params={"orderid": placed["orderid"], "wait": 20}, headers=headers)


if __name__ == "__main__":
    main()
