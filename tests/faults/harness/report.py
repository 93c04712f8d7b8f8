"""Writes docs/guarantees.md from the result files: `make guarantees`.

The full run takes hours, so its results may come from several machines and days; docs/guarantees.json stores the last
result of each part. The results of this checkout are merged into it before the page is written.
"""

import json
import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from faults.harness.results import HISTORY, MUTANTS, REPOSITORY, Result, load_all

TARGET = REPOSITORY / "docs" / "guarantees.md"
RECORD = REPOSITORY / "docs" / "guarantees.json"
TEMPLATE = Path(__file__).with_name("guarantees.template.md")
FAULTS = ("kills", "failovers", "hangs", "restarts", "changes", "hang_ups", "poison", "faults")
COUNTED = {
    "seed", "orders", "accepted", "refused", "unsettled", "lost", "invented", "doubled", "contract_violations",
    "events", "failed", "heal_seconds", "p99_ms", "p99_before_ms", *FAULTS,
}  # fmt: skip
REPEATED = "repeated_events"  # shown only if it is above zero
ALL = "all"
PATH = re.compile(r"/(?:[^/\s]+/)+([^/\s]+)")
ALL_ROWS = tuple(n for n in range(1, 31) if n != MUTANTS)


class Guarantee(NamedTuple):
    """A promise, what it means for a client, and the rows that prove it."""

    promise: str
    meaning: str
    rows: tuple[int, ...]


GUARANTEES = (
    Guarantee(
        "Nothing is lost",
        "An order answered with 200 exists, and is processed, or failed with a stated reason.",
        ALL_ROWS,
    ),
    Guarantee(
        "Nothing is invented", "No order and no event exists that nobody placed or that was rejected.", ALL_ROWS
    ),
    Guarantee("One effect", "An order is processed once, whatever is repeated, replayed or restarted.", ALL_ROWS),
    Guarantee(
        "Answers keep the contract",
        "Only 2xx, 304, 4xx and 503; 429 and 503 carry Retry-After; `unavailable` means that nothing was stored.",
        ALL_ROWS,
    ),
    Guarantee(
        "A retry is safe",
        "The same Idempotency-Key gives the same order, however often and however incomplete the requests are.",
        (6, 15, 16, 29, 30),
    ),
    Guarantee("Kafka is off the request path", "Orders are accepted at the usual speed without Kafka.", (1, 2, 3, 4)),
    Guarantee("It recovers by itself", "After the last fault every order is done within a minute (three when the "
              "topic was lost).", (1, 2, 3, 4, 5, 15, 16, 17, 18, 19, 22)),
    Guarantee(
        "Updates cause no failed request",
        "Each replica is taken out of rotation and restarted under load, and no request fails.",
        (9,),
    ),
)  # fmt: skip


def main() -> None:
    """Update docs/guarantees.json and write the page from it."""
    kept = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else []
    ordered = latest([*(Result(**each) for each in kept), *load_all("short"), *load_all("full")])
    if not ordered:
        raise SystemExit("there are no results yet: run 'make test-faults-short' first")
    RECORD.write_text(json.dumps([asdict(r) for r in ordered], indent=1) + "\n", encoding="utf-8")
    mutants = [r for r in ordered if r.row == MUTANTS]
    template = string.Template(TEMPLATE.read_text(encoding="utf-8"))
    text = template.substitute(
        summary=_summary(ordered),
        guarantees=_guarantees(ordered),
        rows=_rows(ordered),
        missing=_missing(ordered),
        mutants=_mutants(r for r in mutants if not r.part.startswith(HISTORY)),
        histories=_mutants(r for r in mutants if r.part.startswith(HISTORY)),
    )
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET} is written from {len(ordered)} results")


def latest(results: Iterable[Result]) -> list[Result]:
    """Return the latest result of each part, sorted by row and part; a full result replaces a short one."""
    by_part = {(r.row, r.part): r for r in sorted(results, key=lambda r: (r.scale == "full", r.at))}
    full = [key for key, r in by_part.items() if r.scale == "full"]
    return [by_part[key] for key in sorted(by_part) if not _is_covered(*key, full)]


def _is_covered(row: int, part: str, full: Iterable[tuple[int, str]]) -> bool:
    """Return whether this short part combines several variants and a full result of one of them exists."""
    stem = part.removesuffix(ALL)
    return stem != part and any(row == other and name.startswith(stem) for other, name in full)


def _summary(results: Sequence[Result]) -> str:
    mutants = [r for r in results if r.row == MUTANTS]
    rows = [r for r in results if r.row != MUTANTS]
    ran = [r for r in rows if r.outcome != "not run"]
    passed = sum(r.outcome == "passed" for r in ran)
    days = sorted(r.at[:10] for r in results)
    full = sum(r.scale == "full" for r in rows)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    return (
        f"{len(ran)} parts ran ({full} in full, {len(rows) - full} in their short form) on {when}: {passed} passed, "
        f"{len(ran) - passed} failed, {len(rows) - len(ran)} could not be run. {_total(ran, 'orders'):,} orders, "
        f"{sum(map(_faults, ran)):,} faults; lost {_total(ran, 'lost')}, invented {_total(ran, 'invented')}, "
        f"doubled {_total(ran, 'doubled')}, contract violations "
        f"{_total(ran, 'contract_violations')}. {len(mutants)} times a safeguard was switched off: "
        f"{sum(r.outcome == 'passed' for r in mutants)} times a promise broke. Parts that "
        f"ran separately cover {len({r.commit for r in ran})} states of the code."
    )


def _guarantees(results: Sequence[Result]) -> str:
    rows = []
    for promise, meaning, numbers in GUARANTEES:
        mine = [r for r in results if r.row in numbers and r.outcome != "not run"]
        figures = (
            f"{_total(mine, 'orders'):,} orders, {sum(map(_faults, mine)):,} faults: lost {_total(mine, 'lost')}, "
            f"invented {_total(mine, 'invented')}, doubled {_total(mine, 'doubled')}, "
            f"contract violations {_total(mine, 'contract_violations')}; "
            f"slowest recovery {_worst(mine, 'heal_seconds'):g} s"
        )
        proof = "all rows" if numbers == ALL_ROWS else "rows " + ", ".join(map(str, numbers))
        rows.append((f"**{promise}**", meaning, proof, figures))
    return _table(("promise", "what it means for a client", "proved by", "last figures"), rows)


def _rows(results: Sequence[Result]) -> str:
    rows = []
    for r in (r for r in results if r.row != MUTANTS):
        f = r.figures
        broken = "/".join(str(f.get(name, "-")) for name in ("lost", "invented", "doubled", "contract_violations"))
        p99 = f"{f['p99_before_ms']:g} → {f['p99_ms']:g}" if "p99_before_ms" in f else f"{f.get('p99_ms', '-')}"
        heal = f"{f['heal_seconds']:g}" if "heal_seconds" in f else "-"
        rows.append(
            (
                str(r.row),
                r.title.rstrip("."),
                _outcome(r),
                f"{f.get('orders', 0):,}",
                f"{_faults(r) or '-'}",
                broken,
                heal,
                p99,
                _further(f),
                f"`{r.test}`",
            )
        )
    head = (
        "row",
        "what happens",
        "outcome",
        "orders",
        "faults",
        "lost/invented/doubled/violations",
        "recovered after s",
    )
    return _table((*head, "p99 ms", "further figures", "test"), rows)


def _mutants(results: Iterable[Result]) -> str:
    rows = [(r.title.rstrip("."), _outcome(r), r.figures.get("broken", "-"), f"`{r.test}`") for r in results]
    return _table(("safeguard that is off", "outcome", "broken promise", "test"), rows)


def _outcome(result: Result) -> str:
    words = f"{result.outcome} ({result.scale})"
    reason = PATH.sub(r"\1", (result.reason or "no reason given").splitlines()[0])
    return words if result.outcome == "passed" else f"**{words}**: {reason[:120]}"


def _missing(results: Sequence[Result]) -> str:
    there = {r.row for r in results}
    absent = [n for n in (*range(1, 23), 24, 25, 26, 28, 29, 30) if n not in there]
    return f"*Not run*: rows {', '.join(map(str, absent))}." if absent else "Every row has a result."


def _further(figures: dict[str, Any]) -> str:
    return "; ".join(
        f"{k.replace('_', ' ')} {_short(v)}" for k, v in figures.items() if k not in COUNTED and (v or k != REPEATED)
    )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _faults(result: Result) -> int:
    values = (result.figures.get(name, 0) for name in FAULTS)
    return sum(sum(v.values()) if isinstance(v, dict) else v for v in values)


def _total(results: Iterable[Result], name: str) -> int:
    return sum(r.figures.get(name, 0) for r in results)


def _worst(results: Iterable[Result], name: str) -> float:
    return max((r.figures.get(name, 0.0) for r in results), default=0.0)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    main()
