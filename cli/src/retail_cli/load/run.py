"""A whole load: let the buyers in, place the orders, settle them, see each processed, sum up."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from retail_cli.load.ledger import Ledger
from retail_cli.load.options import Options
from retail_cli.load.orders import Placing, fate, invent
from retail_cli.load.progress import Progress, live, percentile
from retail_cli.load.shop import Buyer, Shop

MAX_UNSETTLED = 20_000
VERIFIERS = 32


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a load did. Times are in ms, of first answers that accepted; `wrong` says what is wrong with which order."""

    run: str
    seed: int
    seconds: float
    sent: int
    accepted: int
    refused: int
    unsettled: int
    per_second: float
    p50: float
    p90: float
    p99: float
    worst: float
    statuses: dict[str, int]
    dishonest: dict[str, int]
    verified: int
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Every order accepted (the load makes none that is to be refused) and processed once, every answer honest."""
        return not (self.refused or self.unsettled or self.dishonest or self.wrong)

    def as_dict(self) -> dict[str, Any]:
        """The fields, and `ok`."""
        return asdict(self) | {"ok": self.ok}


Enough = Callable[[int], bool]


def run(options: Options, *, console: Console | None = None, enough: Enough = lambda _: False) -> Summary:
    """Make the load; blocks until all is verified. Raise NoSystem when no buyer is let in.

    `enough` is told how many orders were sent, and ends the placing early when it returns true (within half a second);
    what was sent is still settled and verified. Orders are verified only with `verify_seconds` above 0.
    """
    return asyncio.run(_run(options, console or Console(stderr=True), enough))


async def _run(options: Options, console: Console, enough: Enough) -> Summary:
    progress = Progress()
    async with Shop(options) as shop:
        with Ledger(options.ledger) as ledger, live(progress, console):
            return await _Load(options, shop, ledger, progress, enough).whole()


class _Load:
    def __init__(self, options: Options, shop: Shop, ledger: Ledger, progress: Progress, enough: Enough) -> None:
        self._options = options
        self._shop = shop
        self._ledger = ledger
        self._progress = progress
        self._enough = enough
        self._placing = Placing(shop, ledger, settle_seconds=options.settle_seconds, report=progress.answered)
        self._accepted: dict[str, Buyer] = {}
        self._wrong: dict[str, str] = {}

    async def whole(self) -> Summary:
        buyers = await self._let_in()
        self._progress.started = started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            unsettled = asyncio.Semaphore(MAX_UNSETTLED)
            async for number in self._ticks():
                await unsettled.acquire()
                self._progress.sent += 1
                task = tasks.create_task(self._order(number, buyers[number % len(buyers)]))
                task.add_done_callback(lambda _: unsettled.release())
            placed = time.monotonic() - started
            self._progress.phase = "settling"
        if self._options.verify_seconds:
            await self._verify()
        self._progress.phase = "done"
        return self._sum_up(placed)

    async def _let_in(self) -> list[Buyer]:
        names = [f"load-{self._options.run}-{n}" for n in range(self._options.users)]
        self._ledger.begin(run=self._options.run, seed=self._options.seed, users=names)
        passwords = [secrets.token_urlsafe(16) for _ in names]
        buyers = [Buyer(name, password) for name, password in zip(names, passwords, strict=True)]
        for buyer, password in zip(buyers, passwords, strict=True):
            await self._shop.admit(buyer, password)
        return buyers

    async def _ticks(self) -> AsyncIterator[int]:
        """Number the orders at the rate, by the clock: late ones are sent at once. Rate 0 is paced by the answers."""
        options = self._options
        begun = time.monotonic()
        free = asyncio.Semaphore(options.in_flight)
        self._free = free
        number = 0
        while not self._enough(number):
            elapsed = time.monotonic() - begun
            if (options.count is not None and number >= options.count) or elapsed >= (options.duration or float("inf")):
                return
            if options.rate:
                early = number / options.rate - elapsed
                if early > 0:
                    await asyncio.sleep(min(early, 0.5))
                    if early > 0.5:  # noqa: PLR2004 - so that a stop is seen twice a second
                        continue
            else:
                await free.acquire()
            yield number
            number += 1

    async def _order(self, number: int, buyer: Buyer) -> None:
        random_ = random.Random(f"{self._options.seed}/{number}")  # noqa: S311 - reproducible, no secret
        content = invent(random_, self._options.items)
        answer = await self._placing.settle(f"{self._options.run}-{number}", buyer, content, random_)
        if not self._options.rate:
            self._free.release()
        self._progress.settled[answer.outcome] += 1
        if answer.reference:
            self._accepted[answer.reference] = buyer
            if random_.random() < self._options.read_back:
                wrong = await self._placing.read_back(buyer, answer.reference)
                if wrong:
                    self._progress.dishonest[wrong] += 1

    async def _verify(self) -> None:
        self._progress.phase = "verifying that every accepted order was processed once"
        deadline = time.monotonic() + self._options.verify_seconds
        queue = list(self._accepted.items())

        async def verify() -> None:
            while queue:
                reference, buyer = queue.pop()
                wrong = await fate(self._shop, buyer, reference, deadline=deadline)
                self._progress.verified += 1
                if wrong:
                    self._wrong[reference] = wrong

        await asyncio.gather(*(verify() for _ in range(VERIFIERS)))

    def _sum_up(self, seconds: float) -> Summary:
        progress = self._progress
        times = sorted(progress.ms)
        settled = progress.settled
        return Summary(
            run=self._options.run,
            seed=self._options.seed,
            seconds=round(seconds, 2),
            sent=progress.sent,
            accepted=settled["ok"],
            refused=settled["refused"],
            unsettled=settled["unavailable"] + settled["unknown"],
            per_second=round(settled["ok"] / seconds, 1) if seconds else 0.0,
            p50=round(percentile(times, 0.5), 2),
            p90=round(percentile(times, 0.9), 2),
            p99=round(percentile(times, 0.99), 2),
            worst=round(times[-1], 2) if times else 0.0,
            statuses=dict(progress.statuses),
            dishonest=dict(progress.dishonest),
            verified=progress.verified,
            wrong=self._wrong,
        )
