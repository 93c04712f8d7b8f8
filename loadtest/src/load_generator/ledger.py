"""The ledger: an append-only file of JSON lines with every attempt to place an order, its response, and its time.

Lines: `{"run", "seed", "users"}` first; `{"sent": key, "user", "body"}` before an order's first byte is sent;
`{"key", "at", "ms", "outcome", "status", "ref", "replayed", "dishonest", "problem"}` for each POST /order, when its
response arrives or the request fails; `{"read": ref, "at", "ms", "status", "dishonest"}` for each order that is read
back just after it was accepted. `at` is the Unix time of the request; `dishonest` is the contract violation or null.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from load_generator.responses import Answer, Outcome


class Ledger:
    """Writes a ledger. Each line is flushed at once, so that after a kill only the last line can be incomplete."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def begin(self, *, run: str, seed: int, users: list[str]) -> None:
        """Write the first line of a run."""
        self._write(run=run, seed=seed, users=users)

    def sent(self, *, key: str, user: str, body: Any) -> None:
        """Record an order before it is sent."""
        self._write(sent=key, user=user, body=body)

    def answered(self, *, key: str, at: float, ms: float, answer: Answer) -> None:
        """Record one POST /order, and its outcome."""
        self._write(
            key=key,
            at=round(at, 4),
            ms=round(ms, 2),
            outcome=answer.outcome,
            status=answer.status,
            ref=answer.reference,
            replayed=answer.replayed,
            dishonest=answer.contract_violation,
            problem=answer.problem,
        )

    def read(self, *, reference: str, at: float, ms: float, status: int | None, contract_violation: str | None) -> None:
        """Record the GET of an order that was just accepted."""
        self._write(read=reference, at=round(at, 4), ms=round(ms, 2), status=status, dishonest=contract_violation)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()

    def _write(self, **fields: Any) -> None:
        self._file.write(json.dumps(fields, separators=(",", ":")) + "\n")


@dataclass(frozen=True, slots=True)
class Try:
    """One POST /order, and its response."""

    at: float
    ms: float
    outcome: Outcome
    status: int | None
    reference: str | None
    replayed: bool
    contract_violation: str | None


@dataclass(slots=True)
class Entry:
    """One order, and every attempt to place it."""

    key: str
    user: str
    tries: list[Try] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """`ok` if any try was accepted, otherwise the outcome of the last try; `unknown` if there was no try."""
        if any(t.outcome == "ok" for t in self.tries):
            return "ok"
        return self.tries[-1].outcome if self.tries else "unknown"

    @property
    def references(self) -> set[str]:
        """The order references in the entry's responses. More than one breaks the promise of the Idempotency-Key."""
        return {t.reference for t in self.tries if t.reference}


@dataclass(slots=True)
class Account:
    """The content of a ledger."""

    seed: int = 0
    users: set[str] = field(default_factory=set)
    entries: dict[str, Entry] = field(default_factory=dict)
    read_violations: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> set[str]:
        """The references of the orders that got 200."""
        return {ref for entry in self.entries.values() for ref in entry.references}

    def counts(self) -> Counter[str]:
        """The number of orders by outcome."""
        return Counter(entry.outcome for entry in self.entries.values())

    def tries(self, begin: float = 0.0, end: float = float("inf")) -> Iterator[Try]:
        """Every try whose request started within [begin, end), Unix time."""
        return (t for entry in self.entries.values() for t in entry.tries if begin <= t.at < end)


def read(path: Path) -> Account:
    """Read a ledger; a last line that was cut short is ignored."""
    account = Account()
    with path.open(encoding="utf-8") as lines:
        for line in _documents(lines):
            _add(account, line)
    return account


def _documents(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.endswith("\n"):
            yield json.loads(line)


def _add(account: Account, line: dict[str, Any]) -> None:
    if "run" in line:
        account.seed = line["seed"]
        account.users.update(line["users"])
    elif "sent" in line:
        account.entries[line["sent"]] = Entry(line["sent"], line["user"])
    elif "key" in line:
        fields = ("at", "ms", "outcome", "status", "ref", "replayed", "dishonest")
        account.entries[line["key"]].tries.append(Try(*(line[name] for name in fields)))
    elif line["dishonest"]:
        account.read_violations.append(f"{line['read']}: {line['dishonest']}")
