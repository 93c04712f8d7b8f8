"""What a measurement sends and watches, and in which order the rounds take their turns."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from bench import measure
from bench.contenders import Peer
from bench.measure import Request, Sample, Watched
from bench.system import System

T = TypeVar("T")
CONNECTIONS = 32  # of the measurements that have one number of connections


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: peers, numbers of connections, rounds, and the seconds of each round.

    A plan that is not `whole` has only the closed loop. `backlog` is the number of orders that wait when drains are
    measured, and `orders` how many should be in the database when the memory is measured.
    """

    peers: tuple[Peer, ...]
    connections: tuple[int, ...]
    rounds: int
    seconds: int
    whole: bool = False
    backlog: int = 30_000
    orders: int = 100_000


@dataclass(frozen=True, slots=True)
class Case:
    """A request to measure, and the processes that handle it.

    All are functions that are called for each round: a token expires, and a process may have been restarted. `settle`
    is that of bench.measure.load.
    """

    request: Callable[[], Request]
    watched: Callable[[], Watched]
    settle: Callable[[], None] = lambda: None
    connections: int = CONNECTIONS


def new_order(system: System, peer: Peer | None, connections: int = CONNECTIONS) -> Case:
    """Return the case of placing an order on `peer` (None: Retail Orders)."""
    return Case(
        lambda: system.place(peer), lambda: system.watched(peer), lambda: system.settle(peer), connections=connections
    )


def load(case: Case, seconds: int) -> Sample:
    """Run the closed loop of bench.measure.load."""
    return measure.load(
        case.request(),
        connections=case.connections,
        seconds=seconds,
        watched=case.watched(),
        settle=case.settle,
    )


def turns(items: Iterable[T], number: int) -> list[T]:
    """Return the items in the order of round `number`: every other round goes backwards."""
    several = list(items)
    return several if number % 2 else several[::-1]


def show(what: str, sample: Sample) -> None:
    """Print one line of progress."""
    p99 = f"  p99 {sample.p99_ms:6.1f} ms" if sample.p99_ms is not None else ""
    print(f"{what:60s}{sample.per_second:8.0f}/s{p99}", file=sys.stderr, flush=True)
