"""The ledger: an append-only file of JSON lines that says what was asked, what was answered, and when.

Lines: `{"run", "seed", "users"}` first; `{"sent": key, "user", "body"}` before an order's first byte leaves;
`{"key", "at", "ms", "outcome", "status", "ref", "replayed", "dishonest"}` for each answer or the lack of one;
`{"read": ref, "at", "ms", "status", "dishonest"}` for each reading back. `at` is Unix time.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from retail_cli.load.answers import Answer, Outcome


class Ledger:
    """Writes one. Every line is handed to the system at once, so that a killed client leaves a whole ledger."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def begin(self, *, run: str, seed: int, users: list[str]) -> None:
        """Head a run."""
        self._line(run=run, seed=seed, users=users)

    def sent(self, *, key: str, user: str, body: Any) -> None:
        """Note an order before it is sent."""
        self._line(sent=key, user=user, body=body)

    def answered(self, *, key: str, at: float, ms: float, answer: Answer) -> None:
        """Note what came of one request."""
        self._line(
            key=key,
            at=round(at, 4),
            ms=round(ms, 2),
            outcome=answer.outcome,
            status=answer.status,
            ref=answer.reference,
            replayed=answer.replayed,
            dishonest=answer.dishonest,
        )

    def read(self, *, reference: str, at: float, ms: float, status: int | None, dishonest: str | None) -> None:
        """Note a reading back."""
        self._line(read=reference, at=round(at, 4), ms=round(ms, 2), status=status, dishonest=dishonest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()

    def _line(self, **fields: Any) -> None:
        self._file.write(json.dumps(fields, separators=(",", ":")) + "\n")


@dataclass(frozen=True, slots=True)
class Try:
    """One request and its answer."""

    at: float
    ms: float
    outcome: Outcome
    status: int | None
    reference: str | None
    replayed: bool
    dishonest: str | None


@dataclass(slots=True)
class Entry:
    """One order as its buyer knows it."""

    key: str
    user: str
    tries: list[Try] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """How it stands after the last answer; accepted once is accepted for good."""
        if any(t.outcome == "ok" for t in self.tries):
            return "ok"
        return self.tries[-1].outcome if self.tries else "unknown"

    @property
    def references(self) -> set[str]:
        """The order references that it was answered with: one, or something is very wrong."""
        return {t.reference for t in self.tries if t.reference}


@dataclass(slots=True)
class Account:
    """A whole ledger, read back."""

    seed: int = 0
    users: set[str] = field(default_factory=set)
    entries: dict[str, Entry] = field(default_factory=dict)
    reads_dishonest: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> set[str]:
        """The references that were answered with 200."""
        return {ref for entry in self.entries.values() for ref in entry.references}

    def counts(self) -> Counter[str]:
        """How many orders ended with each outcome."""
        return Counter(entry.outcome for entry in self.entries.values())

    def tries(self, begin: float = 0.0, end: float = float("inf")) -> Iterator[Try]:
        """Every try whose request began within [begin, end), Unix time."""
        return (t for entry in self.entries.values() for t in entry.tries if begin <= t.at < end)


def read(path: Path) -> Account:
    """Read a ledger back; a last line that a kill cut short is left out."""
    account = Account()
    with path.open(encoding="utf-8") as lines:
        for line in _documents(lines):
            _take(account, line)
    return account


def _documents(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.endswith("\n"):
            yield json.loads(line)


def _take(account: Account, line: dict[str, Any]) -> None:
    if "run" in line:
        account.seed = line["seed"]
        account.users.update(line["users"])
    elif "sent" in line:
        account.entries[line["sent"]] = Entry(line["sent"], line["user"])
    elif "key" in line:
        fields = ("at", "ms", "outcome", "status", "ref", "replayed", "dishonest")
        account.entries[line["key"]].tries.append(Try(*(line[name] for name in fields)))
    elif line["dishonest"]:
        account.reads_dishonest.append(f"{line['read']}: {line['dishonest']}")
