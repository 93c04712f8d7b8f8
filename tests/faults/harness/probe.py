"""Checks that the whole system works: registers a user, places an order, and waits until it is processed."""

from functools import partial

import httpx

from support import wait
from support.customer import Customer, https


def probe(base_url: str, ca: str, seconds: float) -> None:
    """Wait until a registration and an order succeed and the order is processed; at most `seconds` for each."""
    with https(base_url, ca) as http:
        customer = wait.until(partial(_registered, http), "a registered customer", seconds=seconds)
        accepted = wait.until(partial(_accepted, customer), "an order accepted", seconds=seconds)
        customer.processed(accepted, seconds=seconds)


def _registered(http: httpx.Client) -> Customer | None:
    try:
        return Customer(http)
    except httpx.HTTPError:
        return None


def _accepted(customer: Customer) -> str | None:
    answer = customer.post()
    return str(answer.json()["order_reference"]) if answer.is_success else None
