"""A load generator in its own thread, and figures from its ledger."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console

from load_generator import Options, Summary, run
from load_generator.ledger import Account, read
from load_generator.progress import percentile
from support import wait

BEGIN_SECONDS = 90.0


@dataclass
class LoadRun:
    """A running load. `ledger` can be read at any time; `summary` is set when the load has ended."""

    ledger: Path
    began: float
    summary: Summary | None = None
    error: BaseException | None = None

    def account(self) -> Account:
        """Return the current content of the ledger."""
        return read(self.ledger)

    @property
    def orders(self) -> dict[str, Any]:
        """A MongoDB query for the orders of all users of this load."""
        return {"userid": {"$in": [*self.account().users]}}

    def p99(self, begin: float, end: float) -> float:
        """Return the 99th percentile in ms of the durations of successful requests begun between two Unix times."""
        return percentile(self._times(begin, end), 0.99)

    def median(self, begin: float, end: float) -> float:
        """Return the median in ms of the durations of successful requests begun between two Unix times."""
        return percentile(self._times(begin, end), 0.5)

    def widest_gap(self) -> float:
        """Return the longest time in seconds between two consecutive accepted orders."""
        ends = sorted(t.at + t.ms / 1000 for t in self.account().tries() if t.outcome == "ok")
        return round(max((b - a for a, b in pairwise(ends)), default=0.0), 2)

    def _times(self, begin: float, end: float) -> list[float]:
        return sorted(t.ms for t in self.account().tries(begin, end) if t.outcome == "ok")


@contextmanager
def running_load(options: Options, orders: int) -> Iterator[LoadRun]:
    """Place orders while the context lasts and until at least `orders` were sent, then settle all of them.

    The context is entered after about a second of load: when `rate` orders were sent (`in_flight` if `rate` is 0), or
    all `orders` if these are fewer.
    """
    run_ = LoadRun(options.ledger, time.time())
    over = threading.Event()

    def work() -> None:
        try:
            enough = lambda sent: over.is_set() and sent >= orders  # noqa: E731 - a def would not be clearer
            run_.summary = run(options, console=Console(quiet=True), enough=enough)
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the test
            run_.error = error

    def has_begun() -> bool:
        if run_.error:
            raise run_.error
        return run_.ledger.exists() and len(run_.account().entries) >= min(orders, options.rate or options.in_flight)

    thread = threading.Thread(target=work, name="load")
    thread.start()
    try:
        wait.until(has_begun, "the load", seconds=BEGIN_SECONDS)
        run_.began = time.time()
        yield run_
    finally:
        over.set()
        thread.join((options.duration or 0) + options.settle_seconds + BEGIN_SECONDS)
    if run_.error:
        raise run_.error
