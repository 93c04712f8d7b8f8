"""The operator's console on the running system: it refreshes itself, shows an order's history, and redrives."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from support.browser import LOOKS, Visit
from support.operator import OrderSeeder, seeding, send_dead_letter

Open = Callable[..., Visit]


@pytest.fixture
def orders(stack: Stack) -> Iterator[OrderSeeder]:
    """A seeder that inserts orders while the services run; these orders are deleted after the test."""
    with seeding(stack) as seeder:
        yield seeder


def test_redriven_order_becomes_processed(console_url: str, visit: Open, orders: OrderSeeder) -> None:
    console = visit(console_url)
    page = console.page
    expect(page.locator(".panel.failed h2")).to_have_text("FAILED orders")
    failed, other = orders.insert_failed("anvils are sold out"), orders.insert_failed("no such item")

    page.get_by_label(f"Choose {failed}").check()  # this order appears without a reload
    page.get_by_role("button", name="Redrive the chosen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Redrive: dry run")
    assert console.serious_problems() == []
    page.get_by_label("What was fixed").fill("anvils are sold again")
    page.get_by_role("button", name="Redrive 1 order").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Redriven: 1 of 1")

    page.get_by_role("link", name=failed).click()
    expect(page.locator(".timeline")).to_contain_text("by operator:ada: anvils are sold again")
    expect(reloaded(console, failed, console_url).locator(".timeline .processed")).to_be_visible()
    expect(page.locator("table", has_text="Handled")).to_contain_text("orders.placed")
    page.goto(f"{console_url}order/{other}")
    expect(page.get_by_role("heading", level=1).locator("..")).to_contain_text("FAILED")


def reloaded(console: Visit, order_id: str, console_url: str) -> Page:
    """Load the order's page, at most 60 times, until it shows the order as processed; return the page."""
    for _ in range(60):
        console.page.goto(f"{console_url}order/{order_id}")
        if console.page.locator(".timeline .processed").count():
            break
        console.page.wait_for_timeout(250)
    return console.page


@pytest.mark.parametrize("look", LOOKS)
def test_console_is_accessible_and_fits_the_window(
    stack: Stack, console_url: str, visit: Open, orders: OrderSeeder, look: str
) -> None:
    order_id = orders.insert_failed("no such item")
    send_dead_letter(stack, order_id.encode(), b"<script>alert(1)</script>")
    console = visit(console_url, **LOOKS[look])
    page = console.page
    expect(page.get_by_label(f"Choose {order_id}")).to_be_visible()
    for panel in ("breakers", "lag", "dead_letters"):
        expect(page.locator(f".panel.{panel} table")).to_be_visible()
    problems = console.serious_problems()
    assert console.overflow() <= 0
    page.locator(".panel.dead_letters tbody a").first.click()
    expect(page.get_by_label("Value")).to_contain_text("<script>alert(1)</script>")
    problems += console.serious_problems()
    page.goto(f"{console_url}order/{order_id}")
    problems += console.serious_problems()
    assert console.overflow() <= 0
    page.goto(f"{console_url}orders?status=FAILED")
    problems += console.serious_problems()

    assert problems == []
    assert console.overflow() <= 0
