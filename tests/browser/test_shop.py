"""The shop page as a buyer uses it: by mouse, by keyboard alone, on a phone, in light and dark."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from local_stack.stack import Stack
from support.browser import LOOKS, Visit, become_visitor, place
from support.customer import https

Open = Callable[..., Visit]


def test_visitor_places_an_order_and_sees_it_processed(stack: Stack, visit: Open) -> None:
    page = visit(stack.base_url).page
    become_visitor(page)
    place(page, "Darjeeling tea", "Oat biscuits", "Oat biscuits")

    expect(page.locator("#order .timeline .done .processed")).to_be_visible()
    expect(page.locator("#order .timeline .done")).to_have_count(3)
    expect(page.locator("#order-spoken")).to_have_text("The order is PROCESSED.")
    expect(page.locator("#basket")).to_contain_text("Empty")
    page.locator("#order a").click()
    expect(page.locator("#orders-detail .timeline li")).to_have_count(2)
    expect(page.locator("#orders-detail")).to_contain_text("15.80 USD")
    expect(page.locator("#orders-detail")).to_contain_text(re.compile("Darjeeling tea, 2 . Oat biscuits"))


def test_each_step_is_shown_as_a_curl_command_without_token(stack: Stack, visit: Open) -> None:
    page = visit(stack.base_url).page
    become_visitor(page)
    place(page, "Apples")
    expect(page.locator("#order .timeline .done .processed")).to_be_visible()
    token = page.evaluate("JSON.parse(sessionStorage.getItem('retail-session')).token")

    steps = page.locator("#wire-list .wire-title").all_inner_texts()
    assert steps[-3:] == ["Place the order", "Ask for a token", "Register"]
    assert "Wait for the outcome" in steps
    page.locator("#wire-list summary", has_text="Place the order").click()
    command = page.get_by_label("Request as curl").locator("visible=true").inner_text()
    assert "-H 'Idempotency-Key: " in command
    assert """"orderitems":[{"item":"Apples","quantity":1,"price":"3.20"}]""" in command
    assert '"status": "PLACED"' in page.get_by_label("Answer", exact=True).locator("visible=true").inner_text()
    assert token.count(".") == 2
    assert token not in page.content()


def test_user_registers_a_name_and_sees_wrong_passwords_rejected(stack: Stack, visit: Open) -> None:
    visitor = visit(stack.base_url)
    page = visitor.page
    visitor.refusals |= {401, 409}
    name = f"ada-{page.evaluate('crypto.randomUUID()')[:8]}"

    def submit(button: str, password: str) -> None:
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name=button).click()

    page.get_by_text("Use a name of your own").click()
    submit("Register", "correct-horse-battery")
    expect(page.locator("#who")).to_have_text(name)
    page.get_by_role("button", name="Log out").click()
    submit("Log in", "wrong-horse-battery")
    expect(page.locator("#account-problem")).to_contain_text("401 Unauthorized Invalid username or password")
    submit("Register", "correct-horse-battery")
    expect(page.locator("#account-problem")).to_contain_text("409 Conflict username already taken")
    submit("Log in", "correct-horse-battery")
    expect(page.locator("#who")).to_have_text(name)


def test_my_orders_are_listed_page_by_page(stack: Stack, visit: Open) -> None:
    page = visit(stack.base_url).page
    name = become_visitor(page)
    token = page.evaluate("JSON.parse(sessionStorage.getItem('retail-session')).token")
    with https(stack.base_url, stack.ca) as client:
        for _ in range(10):
            order = {"userid": name, "cost": "1.00", "orderitems": ["tea"]}
            client.post("/order", json=order, headers={"Authorization": f"Bearer {token}"}).raise_for_status()

    page.get_by_role("link", name="My orders").click()
    expect(page.get_by_role("heading", name="My orders")).to_be_focused()
    expect(page.locator("#orders-list tbody tr")).to_have_count(8)
    page.get_by_role("button", name="Older").click()
    expect(page.locator("#orders-list tbody tr")).to_have_count(2)
    expect(page.locator("#orders-page")).to_have_text("Page 2, the last")
    expect(page.get_by_role("button", name="Newer")).to_be_focused()  # "Older" is disabled on the last page
    page.locator("#orders-list a").first.click()
    expect(page.locator("#detail-title")).to_be_focused()
    expect(page.locator("#orders-page")).to_have_text("Page 2, the last")
    page.get_by_role("button", name="Newer").click()
    expect(page.locator("#orders-list tbody tr")).to_have_count(8)


def test_each_example_of_the_errors_page_shows_its_response(stack: Stack, visit: Open) -> None:
    visitor = visit(stack.base_url)
    page = visitor.page
    become_visitor(page)
    visitor.refusals |= {400, 401, 404, 422}
    page.get_by_role("link", name="Errors").click()
    expected = {
        "A wrong sum": "422",
        "Half a cent": "422",
        "Broken JSON": "400",
        "No token": "401",
        "An order that is not yours": "404",
        "One key, two orders": "422",
        "Sent twice": "200 OK Idempotent-Replayed: true",
    }
    assert page.locator("#demos h2").all_inner_texts() == list(expected)
    for title, outcome in expected.items():
        page.get_by_role("button", name=f"Send it: {title}").click()
        expect(page.locator("#demos li", has_text=title).get_by_role("status")).to_contain_text(
            re.compile(f"^{outcome}")
        )


def test_order_can_be_placed_by_keyboard_alone(stack: Stack, visit: Open) -> None:
    page = visit(stack.base_url).page

    def tab_to(label: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent")
            if focused.strip() == label:
                return
        raise AssertionError(f"{label!r} cannot be reached by Tab")

    tab_to("Skip to the content")
    page.keyboard.press("Enter")
    tab_to("Add Olive oil")
    page.keyboard.press("Space")
    expect(page.locator("#basket-spoken")).to_have_text(re.compile("^1 . Olive oil in the basket, total 13.90.$"))
    tab_to("Continue as a visitor")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Place the order")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#order .timeline .done .processed")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS)
def test_pages_are_accessible_and_fit_the_window(stack: Stack, visit: Open, look: str) -> None:
    visitor = visit(stack.base_url, **LOOKS[look])
    page = visitor.page
    problems = visitor.serious_problems()
    become_visitor(page)
    place(page, "Notebook")
    expect(page.locator("#order .timeline .done .processed")).to_be_visible()
    page.get_by_role("button", name="Add Apples").click()
    page.locator("#wire-list summary").first.click()
    problems += visitor.serious_problems()
    assert visitor.overflow() <= 0
    page.locator("#order a").click()
    expect(page.locator("#detail-title")).to_be_visible()
    problems += visitor.serious_problems()
    assert visitor.overflow() <= 0
    visitor.refusals.add(422)
    page.get_by_role("link", name="Errors").click()
    page.get_by_role("button", name="Send it: A wrong sum").click()
    expect(page.locator("#demos .problem")).to_be_visible()
    problems += visitor.serious_problems()

    assert problems == []
    assert visitor.overflow() <= 0
