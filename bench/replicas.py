"""`make bench-replicas`: new orders through the TLS proxy, with 1 to 4 replicas of order-api behind it.

The systems run beside each other and get load in turns, so that all meet the same machine.
"""

import argparse
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import rounds
from bench.cases import Case, Plan
from bench.measure import Watched
from bench.report import samples_table
from bench.system import PROCESSOR, PROXY, System, machine, running
from bench.tables import TOTAL, spread, total_cpu
from bench.workplace import workplace

if TYPE_CHECKING:
    from bench.results import Samples

COUNTS = (1, 2, 3, 4)


def main() -> None:
    """Measure all numbers of replicas, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    found: Samples = {}
    with workplace("replicas") as root, ExitStack() as ends:
        systems = {n: ends.enter_context(running(root / str(n), (), replicas=n)) for n in COUNTS}
        cases = {_name(n): _case(system, n, options.connections) for n, system in systems.items()}
        plan = Plan((), (), rounds=options.rounds, seconds=options.seconds)
        rounds.measure_all(cases, plan, {})  # warms up
        rounds.measure_all(cases, plan, found)
    print(f"{machine()}; {options.rounds} rounds of {options.seconds} s, {options.connections} connections\n")
    print(samples_table("order-api", found, TOTAL, latencies=True))
    for name, samples in found.items():
        print(f"{name}: {spread([total_cpu(sample) for sample in samples], 0)} µs of CPU time per order, in total")


def _name(count: int) -> str:
    return f"{count} replica{'s' if count > 1 else ''}"


def _case(system: System, count: int, connections: int) -> Case:
    def watched() -> Watched:
        api = [pid for n in range(count) for pid in system.pids(api=f"order-api-{n}")["api"]]
        return {"app": api} | system.pids(processor=PROCESSOR, proxy=PROXY) | system.servers()

    return Case(lambda: system.place(None, url=system.base_url), watched, lambda: system.settle(None), connections)


if __name__ == "__main__":
    main()
