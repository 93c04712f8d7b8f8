"""The page of a run's results: `python -m bench.page RESULTS.json PAGE.md` writes it again from stored results."""

import sys
from pathlib import Path

from bench import plot, report, results
from bench.results import Results

BEGIN, END = "<!-- begin: written by make bench -->", "<!-- end: written by make bench -->"
PICTURE = "images/performance.svg"  # beside the page


def write(found: Results, page: Path) -> None:
    """Write the picture, and replace what is between BEGIN and END in the page.

    Raise ValueError if these are not there once each.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError(f"{page} must contain once each, in this order: {BEGIN} and {END}")
    (page.parent / PICTURE).write_text(plot.svg(found), encoding="utf-8")
    page.write_text(f"{before}{BEGIN}\n\n{content(found)}\n{END}{after}", encoding="utf-8")


def content(found: Results) -> str:
    """Return what `write` puts between BEGIN and END."""
    image = f"![Orders per second and CPU time per order, Retail Orders beside its peers]({PICTURE})\n\n"
    return image + report.text(found)


if __name__ == "__main__":
    write(results.read(Path(sys.argv[1])), Path(sys.argv[2]))
