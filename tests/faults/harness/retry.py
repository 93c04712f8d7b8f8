"""Decides whether failed rows of the short form may run again: only if nothing but a time limit failed.

The short form runs for every change, on machines that other programs share. A row with a lost, invented or doubled
order, a response that violates the contract, or a request without a final response is never retried.
"""

import sys
from collections.abc import Iterable

from faults.harness.results import Result, load_all

BROKEN = ("lost", "invented", "doubled", "contract_violations", "unsettled")


def only_slow(results: Iterable[Result]) -> bool:
    """Return whether at least one row failed, and every failed row counted zero for each name in BROKEN."""
    failed = [r.figures for r in results if r.outcome == "failed"]
    return bool(failed) and all(figures.get(name) == 0 for figures in failed for name in BROKEN)


if __name__ == "__main__":
    if not only_slow(load_all("short")):
        sys.exit("More than a time limit failed.")
    print("Only time limits failed: retrying those rows.")
