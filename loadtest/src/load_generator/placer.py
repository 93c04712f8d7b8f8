"""Places an order, retries until its outcome is settled, and reads its state afterwards."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp

from load_generator.client import FAILURES, Buyer, LoadClient
from load_generator.ledger import Ledger
from load_generator.responses import OK, UNAUTHORIZED, Answer, classify_response, read_violation
from shared.ordering import money

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 5.0
MAX_RENEWALS = 10  # a replica whose clock is wrong rejects valid tokens; the next replica may accept them
POLL_SECONDS = 0.25
GOODS = ("apples", "bread", "coffee", "dates", "eggs", "flour", "grapes", "honey")


def generate_order(random_: random.Random, items: int) -> dict[str, Any]:
    """Return an order's content: `items` lines with prices, and their exact sum."""
    lines = [(random_.choice(GOODS), random_.randint(1, 5), random_.randint(50, 2000)) for _ in range(items)]
    return {
        "cost": money.text(sum(quantity * price for _, quantity, price in lines)),
        "orderitems": [
            {"item": item, "quantity": quantity, "price": money.text(price)} for item, quantity, price in lines
        ],
    }


class OrderPlacer:
    """Places orders, each with an Idempotency-Key.

    `on_answer` is called after each POST /order, with its result, its time in milliseconds, and whether it was the
    order's first attempt.
    """

    def __init__(
        self,
        client: LoadClient,
        ledger: Ledger,
        *,
        settle_seconds: float,
        on_answer: Callable[[Answer, float, bool], None],
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._settle_seconds = settle_seconds
        self._on_answer = on_answer

    async def place_until_settled(
        self, key: str, buyer: Buyer, content: dict[str, Any], random_: random.Random
    ) -> Answer:
        """Send one order, and retry with the same key until it is accepted or refused, or `settle_seconds` are over."""
        body = {"userid": buyer.name} | content
        self._ledger.sent(key=key, user=buyer.name, body=body)
        deadline = time.monotonic() + self._settle_seconds
        pause = FIRST_PAUSE_SECONDS
        renewals = 0
        first = True
        while True:
            answer = await self._place_once(key, buyer, body, first=first)
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

    async def _place_once(self, key: str, buyer: Buyer, body: dict[str, Any], *, first: bool) -> Answer:
        try:
            authorization = await buyer.authorization(self._client)
        except FAILURES as error:
            return Answer("unavailable", problem=_described(error))  # no order was sent
        at, started = time.time(), time.perf_counter()
        try:
            reply = await self._client.send(
                "POST", "/order", headers=authorization | {"Idempotency-Key": key}, document=body
            )
            answer = classify_response(reply.status, reply.headers, reply.body)
        except aiohttp.ClientConnectorError as error:
            answer = Answer("unavailable", problem=_described(error))  # no connection, so no order was sent
        except FAILURES as error:
            answer = Answer("unknown", problem=_described(error))
        ms = (time.perf_counter() - started) * 1000
        self._ledger.answered(key=key, at=at, ms=ms, answer=answer)
        self._on_answer(answer, ms, first)
        return answer

    async def read_back(self, buyer: Buyer, reference: str) -> str | None:
        """GET an order that was just accepted; return the response's contract violation, None if there is none."""
        at, started = time.time(), time.perf_counter()
        status, violation = None, None
        try:
            reply = await self._client.get(buyer, _path(reference))
            status = reply.status
            violation = read_violation(status, reply.headers, reply.body, reference)
        except FAILURES:
            pass
        ms = (time.perf_counter() - started) * 1000
        self._ledger.read(reference=reference, at=at, ms=ms, status=status, contract_violation=violation)
        return violation


async def await_outcome(client: LoadClient, buyer: Buyer, reference: str, *, deadline: float) -> str | None:
    """Wait until an accepted order was PROCESSED exactly once; return None, or what is wrong at the deadline.

    `deadline` is a time of the monotonic clock; the order is read once more after it.
    """
    while True:
        over = time.monotonic() > deadline
        try:
            reply = await client.get(buyer, _path(reference))
            failure = _outcome_failure(reply.status, reply.body)
        except FAILURES as error:
            failure = f"no response: {type(error).__name__}"
        if failure is None or over:
            return failure
        await asyncio.sleep(POLL_SECONDS)


def _outcome_failure(status: int, body: bytes) -> str | None:
    if status != OK:
        return f"GET returned {status}"
    order = json.loads(body)
    statuses = [entry["status"] for entry in order["history"]]
    if order["status"] != "PROCESSED":
        return f"is {order['status']}"
    return None if statuses.count("PROCESSED") == 1 else f"has the history {' > '.join(statuses)}"


def _described(error: Exception) -> dict[str, str]:
    return {"detail": f"{type(error).__name__}: {error}"}


def _path(reference: str) -> str:
    return "/orderdetails?orderid=" + quote(reference, safe="")
