"""A quiet user: one request after another, each on a new connection, to see whether an attack affects others."""

import secrets
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
    """Responses to a quiet user, counted by status or by the error's class name, and their durations in ms."""

    answers: Counter[int | str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)

    def p99(self) -> float:
        return (
            statistics.quantiles(self.milliseconds, n=100, method="inclusive")[98]
            if len(self.milliseconds) > 1
            else 0.0
        )

    def median(self) -> float:
        return statistics.median(self.milliseconds) if self.milliseconds else 0.0


class QuietUser:
    """A customer who places orders at `order_url`, and registers users and logs in at `auth_url`, from 127.0.0.1."""

    def __init__(self, order_url: str, auth_url: str, ca: Path | str) -> None:
        self._order_url, self._auth_url, self._ca = order_url, auth_url, ca
        with https(auth_url, ca) as http:
            customer = Customer(http)
        self.name, self.headers = customer.name, customer.headers
        self._password = customer.password

    def order(self) -> httpx.Response:
        with https(self._order_url, self._ca, timeout=10) as http:
            return http.post("/order", json={"userid": self.name, **ORDER}, headers=self.headers)

    def read(self) -> httpx.Response:
        with https(self._order_url, self._ca, timeout=10) as http:
            return http.get("/orderdetails", params={"userid": self.name, "limit": 1}, headers=self.headers)

    def poll(self, order_id: str, seconds: int) -> httpx.Response:
        """Read the order with a long poll: wait up to `seconds` until it is no longer PLACED."""
        with https(self._order_url, self._ca, timeout=seconds + 10) as http:
            return http.get("/orderdetails", params={"orderid": order_id, "wait": seconds}, headers=self.headers)

    def log_in(self) -> httpx.Response:
        """Get a new token; later requests use it."""
        with https(self._auth_url, self._ca, timeout=10) as http:
            answer = http.get("/api/token", auth=(self.name, self._password))
        if answer.is_success:
            self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return answer

    def log_in_and_order(self) -> httpx.Response:
        answer = self.log_in()
        return self.order() if answer.is_success else answer

    def register_friend(self) -> httpx.Response:
        friend = {"username": f"friend-{secrets.token_hex(8)}", "password": secrets.token_hex(8)}
        with https(self._auth_url, self._ca, timeout=10) as http:
            return http.post("/api/users", json=friend)

    def repeat(self, request: Callable[[], httpx.Response], seconds: float) -> QuietTime:
        """Send `request` again and again for this many seconds, and return the counted responses."""
        quiet = QuietTime()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._send(request, quiet)
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
