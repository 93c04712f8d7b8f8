"""Rate limits of one replica: token buckets by user, and by address for invalid tokens and orders without a token.

Nothing is shared between replicas. A client that keeps its connections may reach only one replica. So each replica
grants the full rate, and all replicas together grant at most the rate times their number.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Self

from flask import Response, request

from shared.http.client_address import limited_address
from shared.http.problem import Problem, seconds

MAX_KEYS = 10_000
View = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `per_second` requests on average, and up to `burst` requests at once."""

    per_second: int
    burst: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse PER_SECOND/BURST, such as 50/100; raise ValueError."""
        first, slash, second = text.partition("/")
        if not (
            slash and all(part.isascii() and part.isdecimal() and 0 < int(part) < 10**6 for part in (first, second))
        ):
            raise ValueError(f"must be REQUESTS_PER_SECOND/BURST such as 50/100, both from 1 to 999999, not {text!r}")
        return cls(int(first), int(second))


class RateLimiter:
    """A token bucket for each key. Thread-safe; remembers only the `max_keys` keys that were used last.

    `name` is the policy's name in the response headers; the error sentence says "Too many" and `what`.
    """

    def __init__(
        self,
        name: str,
        what: str,
        rate: Rate,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._what = what
        self._interval = 1 / rate.per_second
        self._window = rate.burst / rate.per_second
        self._policy = f'"{name}";q={rate.burst};w={seconds(self._window)}'
        self._name = name
        self._clock = clock
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when the key's bucket will be full again
        self._lock = threading.Lock()

    def take(self, key: str) -> int:
        """Take one token and return how many are left; raise the Problem (429) if there is none."""
        with self._lock:
            now = self._clock()
            full_at = max(now, self._full_at.get(key, now)) + self._interval
            self._reject_beyond(full_at - now)
            self._full_at[key] = full_at
            self._full_at.move_to_end(key)
            if len(self._full_at) > self._max_keys:
                self._full_at.popitem(last=False)
        return int((self._window - (full_at - now)) / self._interval + 1e-6)

    def check(self, key: str) -> None:
        """Raise the Problem (429) if `take` would raise it; take no token."""
        with self._lock:
            self._reject_beyond(self._full_at.get(key, 0.0) + self._interval - self._clock())

    def limit(self, view: View) -> View:
        """Return `view` with a limit: each call first takes a token of the user or, without a user, of the address."""

        @wraps(view)
        def limited(user: str | None = None) -> Response:
            remaining = self.take(user or limited_address(request.remote_addr or ""))
            response = view() if user is None else view(user)
            response.headers.add("RateLimit-Policy", self._policy)
            response.headers.add("RateLimit", f'"{self._name}";r={remaining};t={seconds(self._window)}')
            return response

        return limited

    def _reject_beyond(self, wait: float) -> None:
        delay = wait - self._window
        if delay > 1e-9:  # noqa: PLR2004 - sums of floats
            raise Problem(
                429,
                f"Too many {self._what}; retry after the delay in Retry-After",
                type="too-many-requests",
                headers={
                    "Retry-After": seconds(delay),
                    "RateLimit-Policy": self._policy,
                    "RateLimit": f'"{self._name}";r=0;t={seconds(delay)}',
                },
            )


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limiters of order-api."""

    orders: RateLimiter
    reads: RateLimiter
    invalid_tokens: RateLimiter

    @classmethod
    def of(cls, *, orders: Rate, reads: Rate, invalid_tokens: Rate) -> Self:
        """Return new limiters with these rates."""
        return cls(
            RateLimiter("orders", "orders of this user", orders),
            RateLimiter("reads", "reads of this user", reads),
            RateLimiter("invalid-tokens", "invalid tokens from this address", invalid_tokens),
        )
