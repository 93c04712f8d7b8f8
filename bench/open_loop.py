"""Requests at a fixed rate, however slow the responses are: `python -m bench.open_loop URL RATE SECONDS`.

The time of a response counts from the moment when its request was due, not from when it was sent. So the waiting of
requests behind a slow response is part of the figures (wrk omits it: it sends the next request only after the
response), and so is the time that a request waits for one of the 256 connections, or for this program, whose timer is
up to 1 ms late. A request without a successful response within 10 s counts as slower than all others.

The request is passed in the same variables as to orders.lua, and the result is printed in the same form.
"""

import asyncio
import json
import math
import os
import sys
import time
from typing import Any

import aiohttp

CONNECTIONS = 256
TIMEOUT_SECONDS = 10.0
FIRST_ERROR_STATUS = 400


async def run(url: str, rate: float, seconds: float) -> dict[str, Any]:
    """Send the requests; return the result. `seconds` in the result ends with the last response."""
    method, body, authorization = (os.environ[f"BENCH_{name}"] for name in ("METHOD", "BODY", "AUTHORIZATION"))
    headers = {"Content-Type": "application/json"} if body else {}
    if authorization:
        headers["Authorization"] = authorization
    clock = asyncio.get_running_loop().time
    times: list[float] = []
    statuses: list[int] = []

    async def send(due: float) -> None:
        took = math.inf
        try:
            async with session.request(method, url, data=body or None) as response:
                await response.read()
            statuses.append(response.status)
            if response.status < FIRST_ERROR_STATUS:
                took = clock() - due
        except (aiohttp.ClientError, TimeoutError):
            pass
        times.append(took)

    connector, timeout = aiohttp.TCPConnector(limit=CONNECTIONS), aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        started = clock()
        async with asyncio.TaskGroup() as tasks:
            for number in range(max(1, round(rate * seconds))):
                due = started + number / rate
                await asyncio.sleep(max(0.0, due - clock()))
                tasks.create_task(send(due))
        took = clock() - started
    return summarize(times, statuses, took)


def summarize(times: list[float], statuses: list[int], seconds: float) -> dict[str, Any]:
    """Return the result from the time of every request, infinite if it failed, and the status of every response."""
    failed = times.count(math.inf)
    ascending = sorted(times)
    return {
        "succeeded": len(times) - failed,
        "seconds": seconds,
        "failed": failed,
        "error_responses": sum(status >= FIRST_ERROR_STATUS for status in statuses),
        "p50_ms": _milliseconds(percentile(ascending, 50)),
        "p99_ms": _milliseconds(percentile(ascending, 99)),
    }


def percentile(ascending: list[float], share: int) -> float:
    """Return the smallest value that at least `share` percent of the values do not exceed (nearest rank)."""
    return ascending[max(0, math.ceil(share / 100 * len(ascending)) - 1)]


def _milliseconds(seconds: float) -> float | None:
    return seconds * 1e3 if math.isfinite(seconds) else None


if __name__ == "__main__":
    address, per_second, duration = sys.argv[1:]
    spent = time.process_time()
    result = asyncio.run(run(address, float(per_second), float(duration)))
    print("RESULT " + json.dumps(result | {"cpu_seconds": time.process_time() - spent}))
