"""A complete load: register the users, place and settle the orders, wait until each is PROCESSED, sum up."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from load_generator.client import Buyer, LoadClient
from load_generator.ledger import Ledger
from load_generator.options import Options
from load_generator.placer import OrderPlacer, await_outcome, generate_order
from load_generator.progress import LoadProgress, live, percentile

MAX_UNSETTLED = 20_000
VERIFIERS = 32
# names in the JSON report that scripts read; unchanged since version 0.1
JSON_NAMES = {"contract_violations": "dishonest", "failures": "wrong"}


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The result of a load. `p50` to `worst` are response times in ms, of orders accepted at the first attempt.

    `contract_violations` counts responses by the rule that they broke; `failures` says for each accepted order that is
    not PROCESSED exactly once what is wrong with it.
    """

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
    contract_violations: dict[str, int]
    verified: int
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True if every order was accepted and, if verified, processed once, and no response broke the contract."""
        return not (self.refused or self.unsettled or self.contract_violations or self.failures)

    def as_dict(self) -> dict[str, Any]:
        """The document of `retail load --json`."""
        return {JSON_NAMES.get(name, name): value for name, value in asdict(self).items()} | {"ok": self.ok}


Enough = Callable[[int], bool]


def run(options: Options, *, console: Console | None = None, enough: Enough = lambda _: False) -> Summary:
    """Run the load; blocks until every order is verified. Raise SystemUnavailable if a user cannot be registered.

    `enough` gets the number of orders sent so far; when it returns true, no more are placed (within half a second).
    Orders already sent are still settled and verified. Orders are verified only with `verify_seconds` above 0.
    """
    return asyncio.run(_run(options, console or Console(stderr=True), enough))


async def _run(options: Options, console: Console, enough: Enough) -> Summary:
    progress = LoadProgress()
    async with LoadClient(options) as client:
        with Ledger(options.ledger) as ledger, live(progress, console):
            return await _Load(options, client, ledger, progress, enough).run()


class _Load:
    def __init__(
        self, options: Options, client: LoadClient, ledger: Ledger, progress: LoadProgress, enough: Enough
    ) -> None:
        self._options = options
        self._client = client
        self._ledger = ledger
        self._progress = progress
        self._enough = enough
        self._placer = OrderPlacer(client, ledger, settle_seconds=options.settle_seconds, on_answer=progress.record)
        self._accepted: dict[str, Buyer] = {}
        self._failures: dict[str, str] = {}

    async def run(self) -> Summary:
        buyers = await self._register()
        self._progress.phase = "placing orders"
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

    async def _register(self) -> list[Buyer]:
        names = [f"load-{self._options.run}-{n}" for n in range(self._options.users)]
        self._ledger.begin(run=self._options.run, seed=self._options.seed, users=names)
        passwords = [secrets.token_urlsafe(16) for _ in names]
        buyers = [Buyer(name, password) for name, password in zip(names, passwords, strict=True)]
        for buyer, password in zip(buyers, passwords, strict=True):
            await self._client.register(buyer, password)
        return buyers

    async def _ticks(self) -> AsyncIterator[int]:
        """Yield each order's number when it is due; late orders are due at once. At rate 0, responses set the pace."""
        options = self._options
        started = time.monotonic()
        free = asyncio.Semaphore(options.in_flight)
        self._free = free
        number = 0
        while not self._enough(number):
            elapsed = time.monotonic() - started
            if (options.count is not None and number >= options.count) or elapsed >= (options.duration or float("inf")):
                return
            if options.rate:
                early = number / options.rate - elapsed
                if early > 0:
                    await asyncio.sleep(min(early, 0.5))
                    if early > 0.5:  # noqa: PLR2004 - checks `enough` twice a second
                        continue
            else:
                await free.acquire()
            yield number
            number += 1

    async def _order(self, number: int, buyer: Buyer) -> None:
        random_ = random.Random(f"{self._options.seed}/{number}")  # noqa: S311 - reproducible, no secret
        content = generate_order(random_, self._options.items)
        answer = await self._placer.place_until_settled(f"{self._options.run}-{number}", buyer, content, random_)
        if not self._options.rate:
            self._free.release()
        self._progress.settled[answer.outcome] += 1
        if answer.reference:
            self._accepted[answer.reference] = buyer
            if random_.random() < self._options.read_back:
                violation = await self._placer.read_back(buyer, answer.reference)
                if violation:
                    self._progress.contract_violations[violation] += 1

    async def _verify(self) -> None:
        self._progress.phase = "verifying that every accepted order was processed once"
        deadline = time.monotonic() + self._options.verify_seconds
        queue = list(self._accepted.items())

        async def verify() -> None:
            while queue:
                reference, buyer = queue.pop()
                failure = await await_outcome(self._client, buyer, reference, deadline=deadline)
                self._progress.verified += 1
                if failure:
                    self._failures[reference] = failure

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
            contract_violations=dict(progress.contract_violations),
            verified=progress.verified,
            failures=self._failures,
        )
