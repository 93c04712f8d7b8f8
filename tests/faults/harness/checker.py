"""Compares the client's ledger with the database and the topic, and counts broken promises."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from load_generator.ledger import Account, Entry

SHOWN = 20


class Event(NamedTuple):
    """The fields of an event in the topic that the checker needs."""

    order: str
    user: str
    partition: int
    offset: int


@dataclass
class Verdict:
    """The result of a check: counts and, for each promise, the orders that break it, each with the reason."""

    seed: int
    orders: int
    accepted: int
    refused: int
    unsettled: int
    events: int
    repeated_events: int
    failed: int
    heal_seconds: float
    lost: dict[str, str] = field(default_factory=dict)
    invented: dict[str, str] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)
    contract_violations: Counter[str] = field(default_factory=Counter)

    @property
    def broken(self) -> dict[str, str]:
        """Each order that breaks a promise, with the reason; a request that got several orders is named by its key."""
        return self.lost | self.invented | self.doubled

    @property
    def ok(self) -> bool:
        """Whether every promise and the contract were kept, and the outcome of every request is known."""
        return not (self.broken or self.contract_violations or self.unsettled)

    @property
    def figures(self) -> dict[str, Any]:
        """The counts for a result file."""
        return {
            "seed": self.seed,
            "orders": self.orders,
            "accepted": self.accepted,
            "refused": self.refused,
            "unsettled": self.unsettled,
            "lost": len(self.lost),
            "invented": len(self.invented),
            "doubled": len(self.doubled),
            "contract_violations": sum(self.contract_violations.values()),
            "events": self.events,
            "repeated_events": self.repeated_events,
            "failed": self.failed,
            "heal_seconds": self.heal_seconds,
        }

    def __str__(self) -> str:
        lines = [" ".join(f"{name}={value}" for name, value in self.figures.items())]
        for promise in ("lost", "invented", "doubled"):
            lines += [f"{promise}: {what}: {why}" for what, why in list(getattr(self, promise).items())[:SHOWN]]
        lines += [
            f"contract violation: {text} ({count} times)" for text, count in self.contract_violations.most_common(SHOWN)
        ]
        return "\n".join(lines)


def check(
    account: Account,
    documents: Sequence[Mapping[str, Any]],
    events: Iterable[Event],
    *,
    healed_at: float,
    may_fail: bool = False,
) -> Verdict:
    """Check a run. `documents` are all orders of its users, and `events` all events of these users.

    `healed_at` is the Unix time at which the last fault ended. With `may_fail`, a FAILED order with a reason does not
    count as lost.
    """
    by_id = {document["_id"]: document for document in documents}
    counts = account.counts()
    events = list(events)
    per_order = Counter(event.order for event in events)
    verdict = Verdict(
        seed=account.seed,
        orders=len(account.entries),
        accepted=counts["ok"],
        refused=counts["refused"],
        unsettled=counts["unavailable"] + counts["unknown"],
        events=len(events),
        repeated_events=len(events) - len(per_order),
        failed=sum(document["status"] == "FAILED" for document in documents),
        heal_seconds=_heal_seconds(documents, healed_at),
    )
    verdict.lost = _lost(account, by_id, may_fail=may_fail)
    verdict.invented = _invented(account, documents) | {
        order: "an event without an order" for order in per_order if order not in by_id
    }
    verdict.doubled = _doubled(account, documents)
    verdict.contract_violations = _contract_violations(account)
    return verdict


def _lost(account: Account, by_id: Mapping[str, Mapping[str, Any]], *, may_fail: bool) -> dict[str, str]:
    lost = {}
    for reference in account.accepted:
        document = by_id.get(reference)
        if document is None:
            lost[reference] = "was accepted, but is not in the database"
        elif document["status"] == "FAILED" and may_fail and document["history"][-1].get("reason"):
            continue
        elif document["status"] != "PROCESSED":
            lost[reference] = f"was accepted, but is still {document['status']}"
    return lost


def _invented(account: Account, documents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    invented = {}
    for document in documents:
        entry = account.entries.get((document.get("idempotency") or {}).get("key", ""))
        if entry is None or entry.user != document["userid"]:
            invented[document["_id"]] = "is in the database, but nobody requested it"
        elif entry.outcome == "refused" and not any(t.outcome == "unknown" for t in entry.tries):
            invented[document["_id"]] = "is in the database, but its request was rejected"
        elif entry.tries and all(t.outcome == "unavailable" for t in entry.tries):
            invented[document["_id"]] = "is in the database, but every answer was 503 unavailable"
    return invented


def _doubled(account: Account, documents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    doubled = {}
    orders_of_key: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        orders_of_key[(document.get("idempotency") or {}).get("key", "")].append(document["_id"])
        effects = [entry["status"] for entry in document["history"]].count("PROCESSED")
        if effects > 1:
            doubled[document["_id"]] = f"was processed {effects} times"
        elif effects != (document["status"] == "PROCESSED"):
            doubled[document["_id"]] = f"is {document['status']}, but its history has {effects} PROCESSED"
    for key, orders in orders_of_key.items():
        if len(orders) > 1:
            doubled |= dict.fromkeys(orders, f"shares the key {key} with another order")
    for entry in account.entries.values():
        if len(entry.references) > 1:
            doubled[entry.key] = f"was answered with {len(entry.references)} references"
    return doubled


def _contract_violations(account: Account) -> Counter[str]:
    violations = Counter(account.read_violations)
    for entry in account.entries.values():
        violations.update(t.contract_violation for t in entry.tries if t.contract_violation)
        if _was_done_after_all(entry):
            violations["503 unavailable, but the order of that request exists"] += 1
    return violations


def _was_done_after_all(entry: Entry) -> bool:
    """Return whether each try before the first success got `unavailable`, and that success was a replay."""
    for number, one in enumerate(entry.tries):
        if one.outcome == "ok":
            return one.replayed and all(t.outcome == "unavailable" for t in entry.tries[:number])
    return False


def _heal_seconds(documents: Iterable[Mapping[str, Any]], healed_at: float) -> float:
    """Return the seconds from `healed_at` until all orders placed before it were processed; at least 0."""
    healed = datetime.fromtimestamp(healed_at, UTC)
    waits = [
        (document["processed_at"] - healed).total_seconds()
        for document in documents
        if document.get("processed_at") and document["placed_at"] <= healed
    ]
    return round(max(0.0, *waits), 2) if waits else 0.0
