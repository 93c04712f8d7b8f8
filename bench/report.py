"""The report of a run, in Markdown: the ratios, then all tables of medians with their spread."""

from collections.abc import Sequence

from bench import ratios
from bench.cases import CONNECTIONS
from bench.contenders import AGAIN, NAIVE, OUR_PROMISE, OURS, PEERS
from bench.measure import LOAD, Sample
from bench.results import Results, Samples
from bench.tables import cpu, failures, latency, spread, table, total_cpu

PROMISES = {peer.name: peer.promise for peer in PEERS} | {OURS: OUR_PROMISE, AGAIN: OUR_PROMISE}
SERVERS = ("app", "mongod", "broker")


def text(results: Results) -> str:
    """Return everything that was measured."""
    loads = {connections: None for by_load in results.closed_loop.values() for connections in by_load}
    parts = [
        f"{results.machine}; {results.rounds} interleaved rounds of {results.seconds} s: median (lowest-highest).\n",
        ratios.ratios_table(results),
        *(
            closed_loop_table(results, connections)
            for connections in sorted(loads, key=lambda number: (number != CONNECTIONS, number))
        ),
    ]
    if results.open_loop:
        parts.append(open_loop_table(results))
    if results.requests:
        parts.append(samples_table("other requests", results.requests, (*SERVERS, "proxy"), latencies=True))
    if results.limits:
        parts.append(samples_table("steps alone, without HTTP", results.limits, SERVERS))
    if results.drains:
        parts.append(samples_table("orders that wait", results.drains, (*SERVERS, "processor")))
    if results.start_seconds or results.memory_mib:
        parts.append(footprint_table(results))
    parts += [f"Not measured: {problem}\n" for problem in results.problems]
    return "\n".join(parts)


def closed_loop_table(results: Results, connections: int) -> str:
    """Return the table for one number of connections; the ratio compares each round with the same round of NAIVE."""
    heads = [
        *(f"{connections} connection{'s' if connections > 1 else ''}", "200 means", "orders/s", f"of {NAIVE.name}"),
        *("p50 ms", "p99 ms", "CPU µs: app", "mongod", "broker", "processor", "total", "wrk"),
    ]
    base = results.closed_loop[NAIVE.name][connections]
    rows = []
    for name, by_load in results.closed_loop.items():
        if samples := by_load.get(connections):
            rows.append(
                [
                    (f"**{name}**" if name == OURS else name) + failures(samples),
                    PROMISES[name],
                    spread([s.per_second for s in samples], 0),
                    spread(ratios.compare(samples, base, ratios.per_second), 2) + " x",
                    latency([s.p50_ms for s in samples]),
                    latency([s.p99_ms for s in samples]),
                    *(cpu(samples, group) for group in (*SERVERS, "processor")),
                    spread([total_cpu(s) for s in samples], 0),
                    cpu(samples, LOAD),
                ]
            )
    return table(heads, rows)


def open_loop_table(results: Results) -> str:
    """Return latencies, times from placed to processed and the load generator's CPU time, at each share of capacity."""
    shares = [*next(iter(results.open_loop.values()))]
    heads = [f"p50 / p99 ms at a fixed rate, in % of {results.rate:,.0f} orders/s", *(f"{share} %" for share in shares)]
    rows = [
        [name, *(_latencies(by_share.get(share, [])) for share in shares)]
        for name, by_share in results.open_loop.items()
    ]
    delays = []
    for share in shares:
        p50s, p99s = zip(*results.delays_ms[share], strict=True) if share in results.delays_ms else ((), ())
        delays.append(f"{spread(p50s, 0)} / {spread(p99s, 0)}")
    generator = [cpu(results.open_loop.get(OURS, {}).get(share, []), LOAD) for share in shares]
    more = [f"{OURS}, from placed to processed", *delays], ["CPU µs of the load generator, per request", *generator]
    return table(heads, [*rows, *more])


def footprint_table(results: Results) -> str:
    """Return the time to start and the memory of each service."""
    counts = [*results.memory_mib]
    heads = ["service", "seconds to start", *(f"MiB after {count:,} orders" for count in counts)]
    services = {service: None for sizes in results.memory_mib.values() for service in sizes} | dict.fromkeys(
        results.start_seconds
    )
    rows = [
        [
            service,
            spread(results.start_seconds.get(service, []), 1),
            *(f"{results.memory_mib[count][service]:.0f}" for count in counts),
        ]
        for service in services
    ]
    return table(heads, rows)


def samples_table(title: str, found: Samples, groups: Sequence[str], *, latencies: bool = False) -> str:
    """Return a table with a row for each kind of sample; `groups` are the processes whose CPU time it shows."""
    heads = [title, "a second", *(("p50 ms", "p99 ms") if latencies else ())]
    heads += [f"CPU µs: {groups[0]}", *groups[1:]]
    rows = []
    for name, samples in found.items():
        times = [latency([s.p50_ms for s in samples]), latency([s.p99_ms for s in samples])] if latencies else []
        rows.append(
            [
                name + failures(samples),
                spread([s.per_second for s in samples], 0),
                *times,
                *(cpu(samples, group) for group in groups),
            ]
        )
    return table(heads, rows)


def _latencies(samples: Sequence[Sample]) -> str:
    p50, p99 = latency([s.p50_ms for s in samples]), latency([s.p99_ms for s in samples])
    return f"{p50} / {p99}{failures(samples)}"
