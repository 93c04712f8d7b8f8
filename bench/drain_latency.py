"""`make bench-drain`: how long orders take while the relay publishes those of an outage, and how long without.

Both get the same fixed rate of new orders, in turns; every other round goes backwards.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bench import backlog, cases, measure
from bench.measure import LoadFailedError, Sample
from bench.ratios import compare_p99
from bench.system import System, machine, running
from bench.tables import latency, spread, table
from bench.workplace import workplace
from shared.ordering import outbox_entry
from shared.ordering.status import Status

SHARE = 0.25  # of the capacity
CAPACITY_SECONDS = 5
WITHOUT, WITH = "nothing to drain", "while orders drain"


@dataclass
class Measurement:
    """A running system and what was measured: a sample a round, and the orders drained a second beside the load."""

    system: System
    rate: float
    seconds: int
    count: int  # orders that wait
    samples: dict[str, list[Sample]] = field(default_factory=lambda: {WITHOUT: [], WITH: []})
    drained: list[float] = field(default_factory=list)

    def without(self) -> Sample:
        """Place orders while nothing else is to be done."""
        return self._load(lambda: self.system.settle(None))

    def during_drain(self) -> Sample:
        """Let orders wait, and place others as soon as the first of them are processed.

        Raise LoadFailedError if all are processed before the load ends.
        """
        orders = self.system.orders
        backlog.fill(orders, self.count)
        until = time.monotonic() + backlog.DRAIN_SECONDS
        before = {"status": Status.PLACED, "placed_at": {"$gt": outbox_entry.EPOCH, "$lt": datetime.now(UTC)}}
        first = backlog.await_fewer(orders, before, self.count, until)
        started = time.monotonic()

        def settle() -> None:
            left = orders.count_documents(before)
            if not left:
                raise LoadFailedError("the drain ended before the load: let more orders wait (--orders)")
            self.drained.append((first - left) / (time.monotonic() - started))
            backlog.await_none(orders, backlog.UNPROCESSED, backlog.DRAIN_SECONDS)

        return self._load(settle)

    def _load(self, settle: Callable[[], None]) -> Sample:
        request = self.system.place(None)
        return measure.open_loop(request, rate=self.rate, seconds=self.seconds, watched={}, settle=settle)

    def run(self, rounds: int) -> None:
        """Measure both in each round."""
        steps = {WITHOUT: self.without, WITH: self.during_drain}
        for number in range(1, rounds + 1):
            for name, step in cases.turns(steps.items(), number):
                sample = step()
                cases.show(f"round {number}/{rounds}  {name}", sample)
                self.samples[name].append(sample)

    def text(self) -> str:
        """Return the figures as Markdown; the ratio compares the same round."""
        rows = [
            [name, latency([s.p50_ms for s in samples]), latency([s.p99_ms for s in samples])]
            for name, samples in self.samples.items()
        ]
        ratio = spread(compare_p99(self.samples[WITH], self.samples[WITHOUT]), 2)
        drained = spread(self.drained, 0)
        return (
            table([f"{self.rate:,.0f} new orders/s", "p50 ms", "p99 ms"], rows)
            + f"\np99 during the drain: {ratio} x; drained beside the load: {drained} orders/s"
        )


def main() -> None:
    """Measure the capacity, then the latencies at a share of it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--orders", type=int, default=100_000, help="orders that wait")
    options = parser.parse_args()
    with workplace("drain") as root, running(root, ()) as system:
        capacity = cases.load(cases.new_order(system, None), CAPACITY_SECONDS).per_second
        found = Measurement(system, capacity * SHARE, options.seconds, options.orders)
        found.run(options.rounds)
    print(f"{machine()}; {options.rounds} rounds of {options.seconds} s, {options.orders:,} orders wait\n")
    print(found.text())


if __name__ == "__main__":
    main()
