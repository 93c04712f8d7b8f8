"""How the shop page retries requests. The chart's proxy serves the page; the test chooses the responses of the APIs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from local_stack.certificates import Authority
from support import chart_proxy
from support.browser import place
from support.raw_https import faulty_service

ORDER: dict[str, Any] = {
    "order_reference": "o1",
    "orderid": "o1",
    "userid": "ada",
    "status": "PROCESSED",
    "cost": "12.50",
    "currency": "USD",
    "orderitems": [{"item": "Notebook", "quantity": 1}],
    "placed_at": "2026-01-02T03:04:05Z",
    "processed_at": "2026-01-02T03:04:06Z",
    "history": [{"status": "PLACED", "at": "2026-01-02T03:04:05Z", "by": "order-api", "reason": None}],
}


@dataclass
class ChosenAnswers:
    """Responds to POST /order with the next status in `order`, and to a list request with the next one in `orders`.

    When these are used up, and for every other request, the status is 200. Each list of orders has this `next_cursor`.
    `keys` collects the Idempotency-Keys of the POST /order requests.
    """

    order: list[int] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    next_cursor: str | None = None
    keys: list[str] = field(default_factory=list)

    def __call__(self, route: Route) -> None:
        path = route.request.url.split("/", 3)[3]
        if path.startswith("api/"):
            route.fulfill(status=200, json={"username": "ada", "access_token": "a.b.c", "expires_in": 900})
        elif path == "order":
            self.keys.append(route.request.headers["idempotency-key"])
            _answer(route, self.order, ORDER | {"status": "PLACED"})
        elif "userid=" in path:
            _answer(route, self.orders, {"items": [ORDER], "next_cursor": self.next_cursor})
        else:
            route.fulfill(status=200, json=ORDER)


def _answer(route: Route, statuses: list[int], document: dict[str, Any]) -> None:
    status = statuses.pop(0) if statuses else 200
    if status != 200:
        document = {"type": "unavailable", "title": "No", "status": status, "detail": "no", "request_id": "r"}
    route.fulfill(status=status, headers={"Retry-After": "1"}, body=json.dumps(document))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("proxy")
    authority = Authority(folder / "authority")
    with (
        faulty_service() as port,
        chart_proxy.running(folder, authority, port, "--set", "proxy.shop=true") as proxy,
    ):
        yield f"https://localhost:{proxy.port}/"


def logged_in(browser: Browser, address: str, answers: ChosenAnswers) -> Page:
    """Return the shop page with a user logged in; `answers` responds to its requests."""
    page = browser.new_context(ignore_https_errors=True).new_page()
    for pattern in ("**/api/*", "**/order", "**/orderdetails*"):
        page.route(pattern, answers)
    page.goto(address)
    page.get_by_text("Use a name of your own").click()
    login(page)
    return page


def login(page: Page) -> None:
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("correct-horse-battery")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#account")).to_be_visible()


def test_retried_order_keeps_its_idempotency_key_after_503_and_401(browser: Browser, address: str) -> None:
    answers = ChosenAnswers(order=[503, 401])
    page = logged_in(browser, address, answers)
    place(page, "Notebook")
    expect(page.locator("#order .problem")).to_contain_text("Log in again")
    page.get_by_role("button", name="Log out").click()
    login(page)

    expect(page.locator("#order .timeline .done .processed")).to_be_visible()
    assert len(answers.keys) == 3
    assert len(set(answers.keys)) == 1


def test_click_after_401_resends_the_order_with_its_idempotency_key(browser: Browser, address: str) -> None:
    answers = ChosenAnswers(order=[503, 401])
    page = logged_in(browser, address, answers)
    place(page, "Notebook")
    expect(page.locator("#order .problem")).to_contain_text("Log in again")
    page.get_by_role("button", name="Add Apples").click()
    page.get_by_role("button", name="Place the order").click()

    expect(page.locator("#order .timeline .done .processed")).to_be_visible()
    assert len(answers.keys) == 3
    assert len(set(answers.keys)) == 1
    expect(page.locator("#total")).to_have_text("3.20")


def test_list_is_retried_after_503(browser: Browser, address: str) -> None:
    page = logged_in(browser, address, ChosenAnswers(orders=[503, 503]))
    page.get_by_role("link", name="My orders").click()

    expect(page.locator("#orders-problem")).to_contain_text("The list is read again")
    expect(page.locator("#orders-list tbody tr")).to_have_count(1)
    expect(page.locator("#orders-problem")).to_be_empty()


def test_double_click_on_older_or_newer_turns_one_page(browser: Browser, address: str) -> None:
    page = logged_in(browser, address, ChosenAnswers(next_cursor="c2"))
    page.get_by_role("link", name="My orders").click()
    expect(page.locator("#orders-page")).to_have_text("Page 1")
    with page.expect_request("**/orderdetails*") as read:
        page.get_by_role("button", name="Older").evaluate("button => { button.click(); button.click(); }")

    assert "cursor=c2" in read.value.url
    expect(page.locator("#orders-page")).to_have_text("Page 2")
    page.get_by_role("button", name="Newer").evaluate("button => { button.click(); button.click(); }")
    expect(page.locator("#orders-page")).to_have_text("Page 1")


def test_order_cannot_be_placed_again_while_it_is_retried(browser: Browser, address: str) -> None:
    """The button is disabled during the retries: a click would send a new key, and could place the order twice."""
    answers = ChosenAnswers(order=[503] * 1000)
    page = logged_in(browser, address, answers)
    place(page, "Notebook")
    expect(page.locator("#order .problem")).to_contain_text("it is sent again")
    page.get_by_role("button", name="Add Apples").click()

    expect(page.locator("#total")).to_have_text("15.70")
    expect(page.get_by_role("button", name="Place the order")).to_be_disabled()
    answers.order.clear()
    expect(page.locator("#order .timeline .done .processed")).to_be_visible()
    assert len(set(answers.keys)) == 1
    # the item that was added during the retries is still in the basket
    expect(page.locator("#total")).to_have_text("3.20")
    expect(page.get_by_role("button", name="Place the order")).to_be_enabled()
