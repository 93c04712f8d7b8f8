"""Token buckets: when a token is granted, when the next one is available, and which keys are forgotten."""

import pytest

from order_api.rate_limit import Rate, RateLimiter
from shared.http.problem import Problem
from support.clock import Clock


def limiter(rate: str = "10/20", *, max_keys: int = 100) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter("orders", "orders", Rate.parse(rate), clock=clock.seconds, max_keys=max_keys), clock


def granted(limiter: RateLimiter, key: str = "alice", tries: int = 1000) -> int:
    """Take tokens until the first rejection, or `tries` times; return how many tokens were granted."""
    for number in range(tries):
        try:
            limiter.take(key)
        except Problem:
            return number
    return tries


def test_burst_is_granted_at_once_and_no_more() -> None:
    limit, _ = limiter()

    assert granted(limit) == 20


def test_tokens_are_refilled_at_the_rate_up_to_the_burst() -> None:
    limit, clock = limiter()
    granted(limit)

    clock.advance(0.5)
    assert granted(limit) == 5
    clock.advance(3600)
    assert granted(limit) == 20


def test_take_returns_the_number_of_tokens_left() -> None:
    limit, _ = limiter("10/3")

    assert [limit.take("alice") for _ in range(3)] == [2, 1, 0]


def test_one_key_never_uses_the_tokens_of_another() -> None:
    limit, _ = limiter()
    granted(limit, "alice")

    assert granted(limit, "bob") == 20


def test_rejection_has_retry_after_and_ratelimit_headers() -> None:
    limit, clock = limiter("1/3")
    granted(limit)

    with pytest.raises(Problem) as rejected:
        limit.take("alice")

    assert rejected.value.status == 429
    assert rejected.value.headers["Retry-After"] == "1"
    assert rejected.value.headers["RateLimit-Policy"] == '"orders";q=3;w=3'
    assert rejected.value.headers["RateLimit"] == '"orders";r=0;t=1'
    clock.advance(1)
    assert limit.take("alice") == 0


def test_rejected_requests_cost_no_tokens() -> None:
    limit, clock = limiter()
    granted(limit)
    for _ in range(50):
        with pytest.raises(Problem):
            limit.take("alice")

    clock.advance(0.1)

    assert granted(limit) == 1


def test_check_rejects_like_take_but_uses_no_token() -> None:
    limit, _ = limiter()
    for _ in range(50):
        limit.check("alice")

    assert granted(limit) == 20
    with pytest.raises(Problem):
        limit.check("alice")


def test_least_recently_used_keys_are_forgotten() -> None:
    limit, _ = limiter(max_keys=3)
    granted(limit, "alice")
    for key in ("b", "c"):
        limit.take(key)

    assert granted(limit, "alice") == 0
    for key in ("d", "e", "f"):
        limit.take(key)
    assert granted(limit, "alice") == 20


@pytest.mark.parametrize("text", ["", "50", "50/", "/100", "0/5", "5/0", "a/b", "1.5/3", "-1/3", "1/2/3", "1000000/1"])
def test_invalid_rate_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="REQUESTS_PER_SECOND/BURST"):
        Rate.parse(text)
