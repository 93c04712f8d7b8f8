"""The business rules: whether an order is processed. Pure; a new rule belongs here."""

from collections.abc import Collection
from dataclasses import dataclass

from shared.ordering.events import OrderPlaced


@dataclass(frozen=True, slots=True)
class Refused:
    """The order is not to be processed; the buyer reads the reason."""

    reason: str


def decide(event: OrderPlaced, *, refused_items: Collection[str]) -> Refused | None:
    """Return why the order is refused, or None to process it. The same event must always get the same answer."""
    for line in event.orderitems:
        if line.item in refused_items:
            return Refused(f"item not sold: {line.item}")
    return None
