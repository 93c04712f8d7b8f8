"""The cache of auth-api's public keys."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from order_api.jwks import REFRESH_SECONDS, JwksCache, JwksUnavailable
from support.clock import Clock
from support.order_api import FakeJwksServer
from support.wait import until


def test_lookup_without_key_set_raises_unavailable() -> None:
    server = FakeJwksServer()
    server.is_up = False
    cache = JwksCache(server.fetch)
    cache.refresh()

    assert not cache.is_ready
    with pytest.raises(JwksUnavailable):
        cache.get("k1")


def test_refresh_is_due_after_20_seconds_or_a_back_off() -> None:
    server = FakeJwksServer()
    cache = JwksCache(server.fetch, jitter=lambda: 0.0)
    server.is_up = False
    failing = [cache.refresh() for _ in range(7)]
    server.is_up = True

    assert failing == [0.5, 1, 2, 4, 5, 5, 5]
    assert cache.refresh() == REFRESH_SECONDS


def test_unexpected_exception_counts_as_failed_fetch() -> None:
    answers: list[Any] = [{"a": 1}]
    cache = JwksCache(answers.pop)
    pauses = [cache.refresh(), cache.refresh()]

    assert pauses[0] == REFRESH_SECONDS > pauses[1]
    assert cache.get("a") == 1


def test_withdrawn_key_is_dropped_at_next_refresh() -> None:
    server = FakeJwksServer()
    cache = JwksCache(server.fetch)
    server.rotate("k2")
    cache.refresh()
    del server.private["k1"]
    cache.refresh()

    assert cache.get("k1") is None
    assert "k2" in cache


def test_empty_set_withdraws_the_last_key() -> None:
    answers: list[Any] = [{}, {"k1": 1}]
    cache = JwksCache(answers.pop)
    cache.refresh()
    assert cache.get("k1") == 1
    cache.refresh()

    assert "k1" not in cache
    assert cache.is_ready


@dataclass
class HangingServer:
    """auth-api's key endpoint, which responds only when the test allows it."""

    keys: dict[str, Any] = field(default_factory=lambda: {"k1": 1})
    fetches: int = 0
    answering: threading.Event = field(default_factory=threading.Event)

    def fetch(self) -> dict[str, Any]:
        self.fetches += 1
        assert self.answering.wait(30)
        return dict(self.keys)


def test_only_one_thread_waits_for_an_unknown_key(
    request: pytest.FixtureRequest,
) -> None:
    server = HangingServer()
    request.addfinalizer(server.answering.set)
    cache = JwksCache(server.fetch)
    server.answering.set()
    cache.refresh()
    server.answering.clear()
    server.keys["k2"] = 2
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get, "k2")
        until(lambda: server.fetches == 2, "the fetch")
        for forged in ("a", "b", "k2"):
            with pytest.raises(JwksUnavailable):
                cache.get(forged)
        known = cache.get("k1")
        server.answering.set()

    assert (known, waiting.result()) == (1, 2)
    assert server.fetches == 2


def test_unknown_keys_cause_one_fetch_per_30_seconds() -> None:
    server, clock = FakeJwksServer(), Clock()
    cache = JwksCache(server.fetch, clock=clock.seconds)
    cache.refresh()
    fetches = []
    for seconds in (0, 29, 1, 29):
        clock.advance(seconds)
        found = [cache.get(f"forged-{n}") for n in range(8)]
        assert found == [None] * 8
        fetches.append(server.fetches)

    assert fetches == [2, 2, 3, 3]


def test_unknown_key_is_unavailable_while_fetches_fail() -> None:
    server, clock = FakeJwksServer(), Clock()
    cache = JwksCache(server.fetch, clock=clock.seconds)
    cache.refresh()
    server.is_up = False
    fetches = []
    for seconds in (0, 29, 1, 29):
        clock.advance(seconds)
        for n in range(8):
            with pytest.raises(JwksUnavailable):
                cache.get(f"forged-{n}")
        assert cache.get("k1")
        fetches.append(server.fetches)
    server.is_up = True
    clock.advance(1)

    assert fetches == [2, 2, 3, 3]
    assert cache.get("forged") is None


def test_thread_fetches_at_start_and_stops_on_close() -> None:
    cache = JwksCache(FakeJwksServer().fetch)
    cache.start()
    until(lambda: cache.is_ready, "the keys")
    cache.close()

    assert not cache._worker._thread.is_alive()
