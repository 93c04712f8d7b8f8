"""The ratios that a run results in. Each compares samples of the same round, which met the same machine."""

from collections.abc import Callable, Sequence
from statistics import median

from bench.cases import CONNECTIONS
from bench.contenders import AGAIN, BARE, NAIVE, OURS, PEERS, SAFE, UNSAFE
from bench.measure import Sample
from bench.results import Results
from bench.tables import spread, table, total_cpu

Figure = Callable[[Sample], float]
Ratio = tuple[str, str, list[float]]  # the figure, what it is compared with, and the ratio of each round


def ratios_table(results: Results) -> str:
    """Return all ratios in two Markdown tables."""
    rows = [
        (
            name,
            *(spread(compare(_samples(results, OURS), others, figure), 2) + " x" for figure in (per_second, total_cpu)),
        )
        for name, others in _peers(results)
        if others
    ]
    others = [(name, other, spread(values, 2) + " x") for name, other, values in ratios(results) if values]
    heads = [f"{CONNECTIONS} connections: {OURS} compared with", "orders/s", "CPU time per order"]
    parts = [table(heads, rows)]
    if others:
        parts.append(table(["other figures of Retail Orders", "compared with", "ratio"], others))
    return "\n".join(parts)


def ratios(results: Results) -> list[Ratio]:
    """Return the ratios of other figures; a list is empty if one of its sides was not measured."""
    bare = compare(_samples(results, OURS), _samples(results, BARE.name), app_cpu)
    return [
        ("CPU time of order-api per order", BARE.name, bare),
        *_fixed_rate(results),
        *_requests(results),
        *_drains(results),
    ]


def to_naive(results: Results) -> tuple[float, float]:
    """Return the median ratios of Retail Orders to naive Flask: of orders per second, and of CPU time per order."""
    ours, naive = _samples(results, OURS), _samples(results, NAIVE.name)
    return median(compare(ours, naive, per_second)), median(compare(ours, naive, total_cpu))


def compare(ours: Sequence[Sample], others: Sequence[Sample], figure: Figure) -> list[float]:
    """Return the ratio of the figure in each round that both have; a section that failed has fewer samples."""
    return [figure(our) / figure(other) for our, other in zip(ours, others, strict=False)]


def compare_p99(ours: Sequence[Sample], others: Sequence[Sample]) -> list[float]:
    """Return the ratio of the 99th percentile in each round in which both have one."""
    return [
        our.p99_ms / other.p99_ms
        for our, other in zip(ours, others, strict=False)
        if our.p99_ms is not None and other.p99_ms is not None
    ]


def per_second(sample: Sample) -> float:
    """Return successful requests per second."""
    return sample.per_second


def app_cpu(sample: Sample) -> float:
    """Return the CPU time of the API or the peer."""
    return sample.cpu_us["app"]


def _peers(results: Results) -> list[tuple[str, list[Sample]]]:
    """Return what Retail Orders is compared with, and its samples."""
    direct, safe = _best(results, UNSAFE), _best(results, SAFE)
    return [
        (NAIVE.name, _samples(results, NAIVE.name)),
        (f"the best peer without an outbox: {direct}", _samples(results, direct)),
        (f"the best peer with the same guarantee: {safe}", _samples(results, safe)),
        ("itself, measured again in the same round (noise)", _samples(results, AGAIN)),
    ]


def _fixed_rate(results: Results) -> list[Ratio]:
    ours = results.open_loop.get(OURS, {}).get(50, [])
    naive = results.open_loop.get(NAIVE.name, {}).get(50, [])
    return [("p99 at half of our capacity", f"{NAIVE.name} at the same rate", compare_p99(ours, naive))]


def _requests(results: Results) -> list[Ratio]:
    bare = results.requests.get("bare Flask, GET", [])
    direct = results.requests.get("a new order", [])
    proxied = results.requests.get("a new order, through the TLS proxy", [])
    reads = [
        (f"{name}, requests/s", BARE.name, compare(results.requests.get(name, []), bare, per_second))
        for name in ("an order by its id", "a list of 20 orders")
    ]
    return [
        *reads,
        ("orders/s through the TLS proxy", "without the proxy", compare(proxied, direct, per_second)),
        ("CPU time per order through the TLS proxy", "without the proxy", compare(proxied, direct, total_cpu)),
    ]


def _drains(results: Results) -> list[Ratio]:
    pairs = (("order-processor processes", "bulk_update"), ("the relay publishes", "find_produce_remove"))
    return [
        (
            f"{drain} orders that wait, orders/s",
            f"{step} alone",
            compare(results.drains.get(drain, []), results.limits.get(step, []), per_second),
        )
        for drain, step in pairs
    ]


def _best(results: Results, promise: str) -> str:
    """Return the name of the peer with this promise that placed the most orders per second, in the median."""
    names = [peer.name for peer in PEERS if peer.promise == promise and _samples(results, peer.name)]
    return max(names, key=lambda name: median(map(per_second, _samples(results, name))), default="none was measured")


def _samples(results: Results, name: str) -> list[Sample]:
    return results.closed_loop.get(name, {}).get(CONNECTIONS, [])
