"""A user who does nothing unusual: one order after the other, each on a connection of its own."""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from support.customer import ORDER, Customer, https

PAUSE_SECONDS = 0.1


@dataclass
class QuietTime:
    """The answers to a quiet user, counted by status or by the error's name, and the time of each response in ms."""

    answers: Counter[int | str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)

    def p99(self) -> float:
        return statistics.quantiles(self.milliseconds, n=100)[98] if len(self.milliseconds) > 1 else 0.0

    def median(self) -> float:
        return statistics.median(self.milliseconds) if self.milliseconds else 0.0


class QuietUser:
    """A customer of `auth_url` who places orders at `order_url` from 127.0.0.1."""

    def __init__(self, order_url: str, auth_url: str, ca: Path | str) -> None:
        self._order_url, self._ca = order_url, ca
        with https(auth_url, ca) as http:
            customer = Customer(http)
        self.name, self.headers = customer.name, customer.headers

    def order(self) -> httpx.Response:
        with https(self._order_url, self._ca, timeout=10) as http:
            return http.post("/order", json={"userid": self.name, **ORDER}, headers=self.headers)

    def read(self) -> httpx.Response:
        with https(self._order_url, self._ca, timeout=10) as http:
            return http.get("/orderdetails", params={"userid": self.name, "limit": 1}, headers=self.headers)

    def shop_for(self, seconds: float, *, reading: bool = False) -> QuietTime:
        """Place orders for this many seconds, or only read them."""
        quiet = QuietTime()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._send(self.read if reading else self.order, quiet)
            time.sleep(PAUSE_SECONDS)
        return quiet

    def _send(self, request: Callable[[], httpx.Response], quiet: QuietTime) -> None:
        began = time.perf_counter()
        try:
            status: int | str = request().status_code
        except httpx.HTTPError as error:
            status = type(error).__name__
        else:
            quiet.milliseconds.append((time.perf_counter() - began) * 1000)
        quiet.answers[status] += 1
