"""`make bench` and `make bench-quick`: measures Retail Orders beside its peers, and reports medians and ratios."""

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench import footprint, page, ratios, report, results, rounds, steps
from bench.cases import CONNECTIONS, Plan
from bench.contenders import NAIVE, OURS, PEERS
from bench.results import Results
from bench.system import System, machine, running
from bench.tables import total_cpu
from bench.workplace import FAILURES, workplace

BASELINE = Path(__file__).with_name("baseline.json")
LOUD = 1.2  # warn about a ratio above this multiple of the one in baseline.json

PLANS = {
    "quick": Plan((NAIVE,), (CONNECTIONS,), rounds=3, seconds=8),
    "full": Plan(PEERS, (1, 8, CONNECTIONS, 128), rounds=4, seconds=5, whole=True),
}
# What a whole plan measures after the closed loop.
SECTIONS: dict[str, Callable[[System, Plan, Results], None]] = {
    "the latency at fixed rates": rounds.open_loop,
    "other requests": rounds.requests,
    "the memory": footprint.memory,
    "single steps": steps.single_steps,
    "orders that wait": steps.drains,
    "the starts": footprint.starts,
}


def main() -> None:
    """Run the plan that the arguments name, and print its tables; the exit code is 1 if something was not measured."""
    options = _options()
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is missing: install it (on Debian and Ubuntu: the package wrk)")
    plan = PLANS[options.plan]
    for name in ("rounds", "seconds", "backlog", "orders"):
        if getattr(options, name) is not None:
            plan = replace(plan, **{name: getattr(options, name)})
    with workplace("bench") as root, running(root, plan.peers) as system:
        found = _measure(system, plan)
    print(report.text(found))
    if options.json:
        results.write(found, options.json)
    if options.page:
        page.write(found, options.page)
    if options.plan == "quick":
        _compare_with_baseline(found)
    sys.exit(bool(found.problems))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", choices=PLANS)
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    parser.add_argument(
        "--page",
        type=Path,
        help="replace the tables in this Markdown file, and the picture images/performance.svg beside it",
    )
    parser.add_argument("--rounds", type=int, help="rounds of every measurement")
    parser.add_argument("--seconds", type=int, help="seconds of every round")
    parser.add_argument("--backlog", type=int, help="orders that wait when drains are measured")
    parser.add_argument("--orders", type=int, help="orders in the database when the memory is measured")
    return parser.parse_args()


def _measure(system: System, plan: Plan) -> Results:
    """Measure all sections of the plan. What fails, but the closed loop, is a problem in the results."""
    found = Results(machine(), plan.rounds, plan.seconds)
    rounds.closed_loop(system, plan, found)
    for name, section in SECTIONS.items() if plan.whole else ():
        try:
            section(system, plan, found)
        except FAILURES as error:
            found.add_problem(f"{name}: {error}")
    return found


def _compare_with_baseline(found: Results) -> None:
    """Print the CPU time of an order, and its ratio to that of the naive peer.

    Warn if the ratio is more than a fifth above the one in baseline.json.
    """
    speed, cpu = ratios.to_naive(found)
    committed = float(json.loads(BASELINE.read_text(encoding="utf-8"))["cpu_of_naive"])
    own = median(total_cpu(sample) for sample in found.closed_loop[OURS][CONNECTIONS])
    print(f"an order costs {own:,.0f} µs of CPU time, all processes together")
    print(f"against {NAIVE.name}: {speed:.2f} x its orders/s, {cpu:.2f} x its CPU per order (was {committed:.2f} x)")
    if cpu > LOUD * committed:
        print("!!! AN ORDER COSTS MORE THAN A FIFTH MORE CPU THAN THE COMMITTED FIGURE: find out why, or run it again")


if __name__ == "__main__":
    main()
