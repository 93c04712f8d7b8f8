"""One order from its first request to a settled outcome, and what became of it afterwards."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp

from retail_cli.load.answers import OK, UNAUTHORIZED, Answer, judge, judge_read
from retail_cli.load.ledger import Ledger
from retail_cli.load.shop import TROUBLE, Buyer, Shop
from shared.ordering import money

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 5.0
MAX_RENEWALS = 10  # a replica whose clock is wrong refuses good tokens; the next may take them
GOODS = ("apples", "bread", "coffee", "dates", "eggs", "flour", "grapes", "honey")


def invent(random_: random.Random, items: int) -> dict[str, Any]:
    """Make an order's content: items with prices, and their exact sum."""
    lines = [(random_.choice(GOODS), random_.randint(1, 5), random_.randint(50, 2000)) for _ in range(items)]
    return {
        "cost": money.text(sum(quantity * price for _, quantity, price in lines)),
        "orderitems": [
            {"item": item, "quantity": quantity, "price": money.text(price)} for item, quantity, price in lines
        ],
    }


class Placing:
    """Places orders and tells `report` of every answer, with its time in milliseconds and whether it was the first."""

    def __init__(
        self, shop: Shop, ledger: Ledger, *, settle_seconds: float, report: Callable[[Answer, float, bool], None]
    ) -> None:
        self._shop = shop
        self._ledger = ledger
        self._settle_seconds = settle_seconds
        self._report = report

    async def settle(self, key: str, buyer: Buyer, content: dict[str, Any], random_: random.Random) -> Answer:
        """Send one order, and repeat it with the same key until it is accepted or refused, or the time is over."""
        body = {"userid": buyer.name} | content
        self._ledger.sent(key=key, user=buyer.name, body=body)
        deadline = time.monotonic() + self._settle_seconds
        pause = FIRST_PAUSE_SECONDS
        renewals = 0
        first = True
        while True:
            answer = await self._once(key, buyer, body, first=first)
            first = False
            if answer.status == UNAUTHORIZED and renewals < MAX_RENEWALS:
                renewals += 1
                buyer.forget_token()
            elif answer.outcome in {"ok", "refused"}:
                return answer
            pause = min(2 * pause, LAST_PAUSE_SECONDS)
            wait = random_.uniform(pause / 2, pause) + min(answer.retry_after, LAST_PAUSE_SECONDS)
            if time.monotonic() + wait > deadline:
                return answer
            await asyncio.sleep(wait)

    async def _once(self, key: str, buyer: Buyer, body: dict[str, Any], *, first: bool) -> Answer:
        try:
            authorization = await buyer.authorization(self._shop)
        except TROUBLE:
            return Answer("unavailable")  # no order was sent
        at, started = time.time(), time.perf_counter()
        try:
            reply = await self._shop.send(
                "POST", "/order", headers=authorization | {"Idempotency-Key": key}, document=body
            )
            answer = judge(reply.status, reply.headers, reply.body)
        except aiohttp.ClientConnectorError:
            answer = Answer("unavailable")  # no connection, so no order
        except TROUBLE:
            answer = Answer("unknown")
        ms = (time.perf_counter() - started) * 1000
        self._ledger.answered(key=key, at=at, ms=ms, answer=answer)
        self._report(answer, ms, first)
        return answer

    async def read_back(self, buyer: Buyer, reference: str) -> str | None:
        """Ask for an order that was just accepted; return what was wrong with the answer, None if nothing."""
        at, started = time.time(), time.perf_counter()
        status, wrong = None, None
        try:
            reply = await self._shop.ask(buyer, _path(reference))
            status = reply.status
            wrong = judge_read(status, reply.headers, reply.body, reference)
        except TROUBLE:
            pass
        ms = (time.perf_counter() - started) * 1000
        self._ledger.read(reference=reference, at=at, ms=ms, status=status, dishonest=wrong)
        return wrong


async def fate(shop: Shop, buyer: Buyer, reference: str, *, deadline: float) -> str | None:
    """Wait until an accepted order is PROCESSED exactly once; return what is wrong with it otherwise.

    `deadline` is of the monotonic clock; one last question is asked after it.
    """
    while True:
        over = time.monotonic() > deadline
        try:
            reply = await shop.ask(buyer, _path(reference))
            wrong = _judge_fate(reply.status, reply.body)
        except TROUBLE as error:
            wrong = f"no answer: {type(error).__name__}"
        if wrong is None or over:
            return wrong
        await asyncio.sleep(0.25)


def _judge_fate(status: int, body: bytes) -> str | None:
    if status != OK:
        return f"GET answered {status}"
    order = json.loads(body)
    statuses = [entry["status"] for entry in order["history"]]
    if order["status"] != "PROCESSED":
        return f"is {order['status']}"
    return None if statuses.count("PROCESSED") == 1 else f"has the history {' > '.join(statuses)}"


def _path(reference: str) -> str:
    return "/orderdetails?orderid=" + quote(reference, safe="")
