"""The load on Retail Orders and its peers, in turns, so that all meet the same machine."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

from bench import measure
from bench.cases import CONNECTIONS, Case, Plan, load, new_order, show, turns
from bench.contenders import AGAIN, BARE, LARGE_ORDER, NAIVE, NOTHING, OURS, USER, Peer
from bench.measure import LoadFailedError, Request, Sample
from bench.open_loop import percentile
from bench.results import ByNumber, Results, Samples
from bench.system import AUTH, PROXY, System

LOGIN_CONNECTIONS = 4  # a login keeps a core busy for long: more connections would only wait
WARM_UP_SECONDS = 3
SHARES = (25, 50, 75)  # percent of the capacity
READ_IDS = 200  # different orders that are read by their ids
LONGER = 2  # the open loop runs so many times longer: at a quarter of the capacity, few requests make the percentile


def closed_loop(system: System, plan: Plan, results: Results) -> None:
    """Place orders over each number of connections, each as soon as the response to the one before is there.

    A peer that fails is left out. Raise LoadFailedError if Retail Orders or naive Flask fails.
    """
    contenders: dict[str, Peer | None] = {AGAIN: None} if plan.whole else {}
    contenders |= {peer.name: peer for peer in plan.peers} | {OURS: None}
    names = [*(peer.name for peer in plan.peers), OURS, AGAIN]
    results.closed_loop = {name: {} for name in names if name in contenders}
    for name, peer in turns(contenders.items(), 0):
        with _leaving_out(name, contenders, results.closed_loop, results, needed=(None, NAIVE)):
            show(f"warm-up  {name}", load(new_order(system, peer), min(WARM_UP_SECONDS, plan.seconds)))
    for number in range(1, plan.rounds + 1):
        for connections in plan.connections:
            for name, peer in turns(contenders.items(), number):
                if connections != CONNECTIONS and _is_measured_once(name, peer):
                    continue
                with _leaving_out(name, contenders, results.closed_loop, results, needed=(None, NAIVE)):
                    sample = load(new_order(system, peer, connections), plan.seconds)
                    show(f"round {number}/{plan.rounds}  {connections:4d} connections  {name}", sample)
                    results.closed_loop[name].setdefault(connections, []).append(sample)


def open_loop(system: System, plan: Plan, results: Results) -> None:
    """Place orders at shares of our capacity, on Retail Orders and on naive Flask at the same rates.

    Naive Flask is left out if it fails. Raise LoadFailedError if Retail Orders fails.
    """
    results.rate = median(sample.per_second for sample in results.closed_loop[OURS][CONNECTIONS])
    contenders: dict[str, Peer | None] = {NAIVE.name: NAIVE, OURS: None}
    results.open_loop = {name: {} for name in contenders}
    for number in range(1, plan.rounds + 1):
        for share in SHARES:
            for name, peer in turns(contenders.items(), number):
                with _leaving_out(name, contenders, results.open_loop, results, needed=(None,)):
                    started = datetime.now(UTC)
                    sample = _at_rate(new_order(system, peer), results.rate * share / 100, plan)
                    show(f"round {number}/{plan.rounds}  {share:3d} % of our capacity  {name}", sample)
                    results.open_loop[name].setdefault(share, []).append(sample)
                    if peer is None:
                        results.delays_ms.setdefault(share, []).append(_delays(system, started))


def requests(system: System, plan: Plan, results: Results) -> None:
    """Send requests of other kinds, and orders through the TLS proxy."""
    place = new_order(system, None)
    cases = reads(system) | {
        "a login": Case(system.log_in, lambda: system.pids(app=AUTH) | system.servers(), connections=LOGIN_CONNECTIONS),
        "a new order": place,
        "a new order of 100 items": replace(place, request=lambda: system.place(None, LARGE_ORDER)),
        "a new order, through the TLS proxy": Case(
            lambda: system.place(None, url=system.base_url),
            lambda: system.watched(None) | system.pids(proxy=PROXY),
            place.settle,
        ),
    }
    measure_all(cases, plan, results.requests)


def reads(system: System) -> dict[str, Case]:
    """Return the cases of reading an order and a list of 20, and of what bare Flask does instead."""
    by_id, a_list = [f"orderid={system.place_one()}" for _ in range(READ_IDS)], f"userid={USER}&limit=20"
    ours = partial(system.watched, None)
    return {
        "bare Flask, GET": Case(lambda: Request(f"{BARE.url}/orderdetails"), lambda: system.watched(BARE)),
        "an order by its id": Case(lambda: system.read(*by_id), ours),
        "a list of 20 orders": Case(lambda: system.read(a_list), ours),
    }


def measure_all(cases: Mapping[str, Case], plan: Plan, found: Samples) -> None:
    """Add to `found` a sample of each case in each round."""
    for name in cases:
        found.setdefault(name, [])
    for number in range(1, plan.rounds + 1):
        for name, case in turns(cases.items(), number):
            sample = load(case, plan.seconds)
            show(f"round {number}/{plan.rounds}  {name}", sample)
            found[name].append(sample)


@contextmanager
def _leaving_out(
    name: str,
    contenders: dict[str, Peer | None],
    found: ByNumber,
    results: Results,
    *,
    needed: tuple[Peer | None, ...],
) -> Iterator[None]:
    """Leave this contender and its samples out if its measurement fails; raise the error if it is one of `needed`."""
    try:
        yield
    except LoadFailedError as error:
        if contenders[name] in needed:
            raise
        results.add_problem(f"{name} is left out: {error}")
        del contenders[name], found[name]


def _at_rate(case: Case, rate: float, plan: Plan) -> Sample:
    return measure.open_loop(
        case.request(), rate=rate, seconds=LONGER * plan.seconds, watched=case.watched(), settle=case.settle
    )


def _is_measured_once(name: str, peer: Peer | None) -> bool:
    """Return whether this contender is measured with one number of connections only, to save time."""
    return name == AGAIN or (peer is not None and peer.promise == NOTHING)


def _delays(system: System, since: datetime) -> tuple[float, float]:
    """Return the 50th and 99th percentile of the ms from placed to processed, of the orders placed since then."""
    query = {"placed_at": {"$gte": since}, "processed_at": {"$ne": None}}
    found = system.orders.find(query, {"placed_at": 1, "processed_at": 1})
    delays = sorted((order["processed_at"] - order["placed_at"]) / timedelta(milliseconds=1) for order in found)
    if not delays:
        raise LoadFailedError("no order was processed")
    return percentile(delays, 50), percentile(delays, 99)
