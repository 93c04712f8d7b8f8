"""What buyer and operator see in the browser during an outage of MongoDB or Kafka."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from local_stack.stack import Stack
from support import scrape, wait
from support.browser import Visit, become_visitor, place

Open = Callable[..., Visit]
RECOVERED_MS = 90_000


@pytest.fixture(autouse=True)
def healed(stack: Stack) -> Iterator[None]:
    """Restart MongoDB and Kafka after the test, and wait until every service is ready."""
    yield
    for part in ("mongodb-0", "kafka-0"):
        stack.start(part)
    admin_urls = [service["admin_url"] for service in stack.file["services"]]
    wait.until(lambda: all(map(scrape.ready, admin_urls)), "every service ready", seconds=60)


def test_order_retried_during_a_mongodb_outage_is_placed_once(stack: Stack, console_url: str, visit: Open) -> None:
    """The shop page retries the request, also after a reload, always with the same Idempotency-Key."""
    shop, console = visit(stack.base_url), visit(console_url)
    shop.refusals |= {503, 401}
    console.refusals |= {503}
    expect(console.page.locator(".panel.orders dl").first).to_be_visible()
    become_visitor(shop.page)
    stack.stop("mongodb-0")
    place(shop.page, "Coffee beans")

    expect(shop.page.locator("#order .problem")).to_contain_text("with the same Idempotency-Key")
    expect(console.page.locator(".panel.orders .problem")).to_contain_text("MongoDB is unavailable")
    shop.page.reload()
    expect(shop.page.locator("#order .problem")).to_contain_text("503")
    stack.start("mongodb-0")
    expect(shop.page.locator("#order .timeline .done .processed")).to_be_visible(timeout=RECOVERED_MS)
    expect(console.page.locator(".panel.orders .problem")).to_have_count(0, timeout=RECOVERED_MS)
    shop.page.get_by_role("link", name="My orders").click()
    expect(shop.page.locator("#orders-list tbody tr")).to_have_count(1)


def test_order_placed_during_a_kafka_outage_is_processed_later(stack: Stack, console_url: str, visit: Open) -> None:
    shop, console = visit(stack.base_url), visit(console_url)
    console.refusals |= {503}
    expect(console.page.locator(".panel.lag table")).to_be_visible()
    become_visitor(shop.page)
    stack.stop("kafka-0")
    place(shop.page, "Sourdough loaf")

    expect(shop.page.locator("#order .note")).to_contain_text("waits in the outbox")
    expect(shop.page.locator("#order-spoken")).to_have_text("The order is PLACED.")
    expect(console.page.locator(".panel.lag .problem")).to_contain_text("Kafka is unavailable")
    expect(console.page.locator(".panel.orders div", has_text="waiting for Kafka")).to_contain_text("1")
    stack.start("kafka-0")
    expect(shop.page.locator("#order .timeline .done .processed")).to_be_visible(timeout=RECOVERED_MS)
