"""Holds what the buyer was told against what the database and the topic have: the four promises, counted."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from retail_cli.load.ledger import Account, Entry

SHOWN = 20


class Event(NamedTuple):
    """A record of the topic, as far as the checker needs it."""

    order: str
    user: str
    partition: int
    offset: int


@dataclass
class Verdict:
    """What was found. Each promise has the orders that break it, with the reason; all empty is a pass."""

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
    dishonest: Counter[str] = field(default_factory=Counter)

    @property
    def broken(self) -> dict[str, str]:
        """Every order concerned, or key where there is no order, and why."""
        return self.lost | self.invented | self.doubled

    @property
    def ok(self) -> bool:
        """No promise is broken, and no order's fate is left open."""
        return not (self.broken or self.dishonest or self.unsettled)

    @property
    def figures(self) -> dict[str, Any]:
        """The counts, for a result file."""
        return {
            "seed": self.seed,
            "orders": self.orders,
            "accepted": self.accepted,
            "refused": self.refused,
            "unsettled": self.unsettled,
            "lost": len(self.lost),
            "invented": len(self.invented),
            "doubled": len(self.doubled),
            "dishonest": sum(self.dishonest.values()),
            "events": self.events,
            "repeated_events": self.repeated_events,
            "failed": self.failed,
            "heal_seconds": self.heal_seconds,
        }

    def __str__(self) -> str:
        lines = [" ".join(f"{name}={value}" for name, value in self.figures.items())]
        for promise in ("lost", "invented", "doubled"):
            lines += [f"{promise}: {what}: {why}" for what, why in list(getattr(self, promise).items())[:SHOWN]]
        lines += [f"dishonest: {text} ({count} times)" for text, count in self.dishonest.most_common(SHOWN)]
        return "\n".join(lines)


def check(
    account: Account,
    documents: Sequence[Mapping[str, Any]],
    events: Iterable[Event],
    *,
    healed_at: float,
    may_fail: bool = False,
) -> Verdict:
    """Judge a run. `documents` are all orders of the run's users, `events` all records of the topic that name them.

    `healed_at` (Unix time) is when the last fault ended; with `may_fail` a FAILED order with a reason is no loss.
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
    verdict.dishonest = _dishonest(account)
    return verdict


def _lost(account: Account, by_id: Mapping[str, Mapping[str, Any]], *, may_fail: bool) -> dict[str, str]:
    lost = {}
    for reference in account.accepted:
        document = by_id.get(reference)
        if document is None:
            lost[reference] = "was accepted, and is not in the database"
        elif document["status"] == "FAILED" and may_fail and document["history"][-1].get("reason"):
            continue
        elif document["status"] != "PROCESSED":
            lost[reference] = f"was accepted, and is still {document['status']}"
    return lost


def _invented(account: Account, documents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    invented = {}
    for document in documents:
        entry = account.entries.get((document.get("idempotency") or {}).get("key", ""))
        if entry is None or entry.user != document["userid"]:
            invented[document["_id"]] = "is in the database, and nobody asked for it"
        elif entry.outcome == "refused" and not any(t.outcome == "unknown" for t in entry.tries):
            invented[document["_id"]] = "is in the database, and its buyer was refused"
        elif entry.tries and all(t.outcome == "unavailable" for t in entry.tries):
            invented[document["_id"]] = "is in the database, and its buyer was told that nothing was done"
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
            doubled[document["_id"]] = f"is {document['status']}, and its history has {effects} PROCESSED"
    for key, orders in orders_of_key.items():
        if len(orders) > 1:
            doubled |= dict.fromkeys(orders, f"shares the key {key} with another order")
    for entry in account.entries.values():
        if len(entry.references) > 1:
            doubled[entry.key] = f"was answered with {len(entry.references)} references"
    return doubled


def _dishonest(account: Account) -> Counter[str]:
    told = Counter(account.reads_dishonest)
    for entry in account.entries.values():
        told.update(t.dishonest for t in entry.tries if t.dishonest)
        if _was_done_after_all(entry):
            told["503 unavailable said that nothing was done, and the order of that request exists"] += 1
    return told


def _was_done_after_all(entry: Entry) -> bool:
    """Tell whether a replay shows that an earlier request was done, though each was answered `unavailable`."""
    for number, one in enumerate(entry.tries):
        if one.outcome == "ok":
            return one.replayed and all(t.outcome == "unavailable" for t in entry.tries[:number])
    return False


def _heal_seconds(documents: Iterable[Mapping[str, Any]], healed_at: float) -> float:
    """Return how long after the healing the last order placed before it was processed."""
    healed = datetime.fromtimestamp(healed_at, UTC)
    waits = [
        (document["processed_at"] - healed).total_seconds()
        for document in documents
        if document.get("processed_at") and document["placed_at"] <= healed
    ]
    return round(max(0.0, *waits), 2) if waits else 0.0
