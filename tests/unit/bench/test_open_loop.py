"""Requests at a fixed rate: what counts as their time, and as a failure."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bench import open_loop

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/order", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/order"
    finally:
        await runner.cleanup()


def load(handler: Handler, *, rate: float, seconds: float) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with serving(handler) as url:
            return await open_loop.run(url, rate, seconds)

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _request(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"METHOD": "POST", "BODY": '{"a": 1}', "AUTHORIZATION": "Bearer x"}.items():
        monkeypatch.setenv(f"BENCH_{name}", value)


def test_requests_behind_a_slow_response_count_their_waiting() -> None:
    """One response takes half a second, and meanwhile 49 more requests are due; each then takes no time at all."""
    turn = asyncio.Lock()
    served = 0

    async def one_at_a_time(_request: web.Request) -> web.Response:
        nonlocal served
        async with turn:
            served += 1
            if served == 1:
                await asyncio.sleep(0.5)
        return web.Response()

    found = load(one_at_a_time, rate=100, seconds=0.5)
    assert (found["succeeded"], found["failed"], found["error_responses"]) == (50, 0, 0)
    assert found["p50_ms"] >= 200, found
    assert found["p99_ms"] >= 450, found


def test_requests_are_sent_as_they_are_described() -> None:
    seen: list[tuple[str, str, str | None]] = []

    async def record(request: web.Request) -> web.Response:
        seen.append((request.method, await request.text(), request.headers.get("Authorization")))
        return web.Response()

    load(record, rate=20, seconds=0.1)
    assert seen == [("POST", '{"a": 1}', "Bearer x")] * 2


def test_error_responses_are_counted_and_have_no_time() -> None:
    async def unavailable(_request: web.Request) -> web.Response:
        return web.Response(status=503)

    found = load(unavailable, rate=50, seconds=0.1)
    assert (found["succeeded"], found["failed"], found["error_responses"]) == (0, 5, 5)
    assert (found["p50_ms"], found["p99_ms"]) == (None, None)


def test_request_without_a_response_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "TIMEOUT_SECONDS", 0.05)

    async def silent(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.Response()

    found = load(silent, rate=50, seconds=0.1)
    assert (found["succeeded"], found["failed"], found["error_responses"]) == (0, 5, 0)


def test_failed_request_is_slower_than_all_others() -> None:
    found = open_loop.summarize([0.002, math.inf, 0.001, 0.003], [200, 200, 200], 1.0)

    assert (found["succeeded"], found["failed"], found["p50_ms"], found["p99_ms"]) == (3, 1, 2.0, None)


@pytest.mark.parametrize(("share", "value"), [(25, 1.0), (50, 2.0), (99, 4.0)])
def test_percentile_is_the_nearest_rank(share: int, value: float) -> None:
    assert open_loop.percentile([1.0, 2.0, 3.0, 4.0], share) == value
