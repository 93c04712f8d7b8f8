"""The business rules: what becomes of an order. Pure; a new rule goes here."""

from collections.abc import Collection
from dataclasses import dataclass

from shared.ordering.events import OrderPlaced


@dataclass(frozen=True, slots=True)
class Refused:
    """The order is not to be processed; its owner reads the reason."""

    reason: str


def decide(event: OrderPlaced, *, refused_items: Collection[str]) -> Refused | None:
    """Return why the order is refused, or None to process it. Must give the same answer whenever it is asked."""
    for line in event.orderitems:
        if line.item in refused_items:
            return Refused(f"we do not sell {line.item}")
    return None
