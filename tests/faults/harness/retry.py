"""Whether failed rows of the short form may be tried once more: only where nothing but a limit of time failed.

The short form is for every change, on machines that do other things too. An order that was lost, invented or doubled,
and a dishonest answer, is never tried away.
"""

import sys
from collections.abc import Iterable

from faults.harness.results import Result, load_all

BROKEN = ("lost", "invented", "doubled", "dishonest", "unsettled")


def only_slow(results: Iterable[Result]) -> bool:
    """Tell whether each failed row, of one at least, came to its verdict and no promise was broken."""
    failed = [r.figures for r in results if r.outcome == "failed"]
    return bool(failed) and all(figures.get(name) == 0 for figures in failed for name in BROKEN)


if __name__ == "__main__":
    if not only_slow(load_all("short")):
        sys.exit("More than a limit of time failed.")
    print("Only limits of time failed: those rows once more.")
