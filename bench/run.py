"""`make bench` and `make bench-quick`: rounds of load on every contender, interleaved, then medians and ratios."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import measure, report
from bench.contenders import NAIVE, OUR_PROMISE, OURS, PEERS, REPOSITORY, Peer
from bench.limits import LIMITS
from bench.system import USER, System, machine, running

ORDER = {"userid": USER, "cost": "12.50", "orderitems": [{"item": "tea", "quantity": 2}, "a biscuit"]}
BASELINE = Path(__file__).with_name("baseline.json")
LOUD = 1.2  # warn about a ratio above this multiple of the one in baseline.json


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: peers, numbers of connections, rounds, the seconds of each round, and steps of bench.limits."""

    peers: tuple[Peer, ...]
    connections: tuple[int, ...]
    rounds: int
    seconds: int
    limits: tuple[str, ...] = ()


PLANS = {
    "quick": Plan((NAIVE,), (32,), rounds=3, seconds=8),
    "full": Plan(PEERS, (1, 8, 32, 128), rounds=3, seconds=8, limits=tuple(LIMITS)),
}


def main() -> None:
    """Run the plan that the arguments name, and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", choices=PLANS)
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is missing: install it (on Debian and Ubuntu: the package wrk)")
    plan = PLANS[options.plan]
    root = Path(tempfile.mkdtemp(prefix="retail-bench-"))
    try:
        with running(root, plan.peers) as system:
            results = _rounds(system, plan)
            limits = _limits(system, plan)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    _print(results, plan)
    if limits:
        print(report.limits_table(limits))
    if options.json:
        document = report.document(results) | {"limits": report.samples(limits)}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if options.plan == "quick":
        _compare_with_baseline(results)


def _rounds(system: System, plan: Plan) -> dict[str, dict[int, list[measure.Sample]]]:
    contenders: list[Peer | None] = [*plan.peers, None]
    results: dict[str, dict[int, list[measure.Sample]]] = {
        _name(peer): {connections: [] for connections in plan.connections} for peer in contenders
    }
    for number in range(plan.rounds + 1):  # round 0 warms up and does not count
        order = contenders if number % 2 else contenders[::-1]
        for connections in plan.connections:
            for peer in order:
                sample = _one(system, peer, connections, plan.seconds if number else 3)
                if number:
                    results[_name(peer)][connections].append(sample)
                print(
                    f"round {number}/{plan.rounds}  {connections:4d} connections  {_name(peer):24s}"
                    f"{sample.per_second:8.0f}/s  p99 {sample.p99_ms:6.1f} ms",
                    file=sys.stderr,
                )
    return results


def _limits(system: System, plan: Plan) -> dict[str, list[measure.Sample]]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **system.client()}
    return {
        name: [
            measure.limit(name, seconds=plan.seconds, environment=environment, watched=system.servers())
            for _ in range(plan.rounds)
        ]
        for name in plan.limits
    }


def _one(system: System, peer: Peer | None, connections: int, seconds: int) -> measure.Sample:
    address = f"http://127.0.0.1:{peer.port}" if peer else system.url
    return measure.load(
        f"{address}/order",
        connections=connections,
        seconds=seconds,
        body=json.dumps(ORDER),
        token=None if peer else system.token(),
        watched=system.watched(peer),
    )


def _name(peer: Peer | None) -> str:
    return peer.name if peer else OURS


def _print(results: report.Results, plan: Plan) -> None:
    promises = {peer.name: peer.promise for peer in PEERS} | {OURS: OUR_PROMISE}
    print(f"{machine()}; {plan.rounds} interleaved rounds of {plan.seconds} s: median (lowest-highest)\n")
    for connections in plan.connections:
        print(report.table(results, promises, connections, NAIVE.name))


def _compare_with_baseline(results: report.Results) -> None:
    """Print the CPU time of an order, and its ratio to that of the naive peer.

    Warn if the ratio is more than a fifth above the one in baseline.json.
    """
    speed, cpu = report.ratio(results, 32, NAIVE.name)
    committed = float(json.loads(BASELINE.read_text(encoding="utf-8"))["cpu_of_naive"])
    own = median(report.total_cpu(sample) for sample in results[OURS][32])
    print(f"an order costs {own:,.0f} µs of CPU time, all processes together")
    print(f"against {NAIVE.name}: {speed:.2f} x its orders/s, {cpu:.2f} x its CPU per order (was {committed:.2f} x)")
    if cpu > LOUD * committed:
        print("!!! AN ORDER COSTS MORE THAN A FIFTH MORE CPU THAN THE COMMITTED FIGURE: find out why, or run it again")


if __name__ == "__main__":
    main()
