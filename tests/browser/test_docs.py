"""The docs pages as a newcomer uses them: every operation is sent with the values that the page fills in."""

import re
from collections.abc import Callable

from playwright.sync_api import Page

from local_stack.stack import Stack
from support.browser import Visit

Open = Callable[..., Visit]


def try_it_out(page: Page, operation: str) -> str:
    """Send an operation's request with the values that the page fills in; return the status of the response."""
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table tbody .response-col_status").first.inner_text().split()[0]


def test_one_login_is_enough_to_send_every_prefilled_request(stack: Stack, visit: Open) -> None:
    visitor = visit(f"{stack.base_url}/api/docs/")
    page = visitor.page
    visitor.refusals.add(409)  # the example's user may exist from an earlier run
    assert try_it_out(page, "users-register") in {"201", "409"}
    example = page.locator("#operations-users-register .body-param textarea").input_value()
    page.get_by_role("button", name="Authorize").first.click()
    for name in ("username", "password"):
        value = re.search(rf'"{name}": "([^"]+)"', example)
        assert value
        page.locator(f".auth-container input[name={name}]").fill(value[1])
    page.locator(".auth-container").get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").click()
    assert {try_it_out(page, each) for each in ("tokens-token", "tokens-jwks")} == {"200"}

    link = page.get_by_role("link", name="Orders", exact=True).get_attribute("href")
    page.goto(f"{stack.base_url}{link}")

    assert {try_it_out(page, each) for each in ("orders-placeOrder", "orders-readOrders")} == {"200"}
