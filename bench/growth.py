"""`make bench-growth`: reads and new orders while the collection grows to millions of orders.

Each size is written to the JSON file when it has been measured. Sizes that the file contains are not measured again, so
a run that was interrupted can be continued; it inserts all orders again.
"""

import argparse
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import msgspec

from bench import backlog, rounds
from bench.cases import Plan, new_order
from bench.contenders import BARE, USER
from bench.report import samples_table
from bench.results import Samples
from bench.system import machine, running
from bench.workplace import workplace

SIZES = (10_000, 1_000_000, 5_000_000)
USERS = [USER, *(f"bench-{number}" for number in range(999))]
Growth = dict[int, Samples]  # samples of each kind of request, by the number of orders in the database


def main() -> None:
    """Measure each size that the file does not contain, and print the tables of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="file of the samples of all sizes")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of orders in the database")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    found: Growth = read(options.json)
    plan = Plan((BARE,), (), rounds=options.rounds, seconds=options.seconds)
    with workplace("growth") as root, running(root, plan.peers) as system:
        for size in sorted(set(options.sizes) - set(found)):
            grow(system.orders, size)
            samples: Samples = {}
            rounds.measure_all(rounds.reads(system) | {"a new order": new_order(system, None)}, plan, samples)
            found[size] = samples
            write(found, options.json)
    print(f"{machine()}\n\n{text(found)}")


def grow(orders: backlog.Orders, size: int) -> None:
    """Insert processed orders of many users until the collection has `size` orders."""
    missing = backlog.processed(size - orders.estimated_document_count(), USERS)
    while documents := list(islice(missing, backlog.INSERTED_AT_ONCE)):
        orders.insert_many(documents, ordered=False)


def text(found: Growth) -> str:
    """Return a table for each size."""
    groups = ("app", "mongod", "broker", "processor")
    return "\n".join(samples_table(f"{size:,} orders", found[size], groups, latencies=True) for size in sorted(found))


def read(path: Path) -> Growth:
    """Return what the file contains; nothing if it does not exist."""
    return msgspec.json.decode(path.read_bytes(), type=Growth) if path.exists() else {}


def write(found: Mapping[int, Samples], path: Path) -> None:
    """Replace the file as a whole, so that an interruption leaves the earlier content."""
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    new.replace(path)


if __name__ == "__main__":
    main()
