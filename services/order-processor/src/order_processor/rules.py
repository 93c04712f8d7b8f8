"""The business rules: whether an order is processed. Pure; a new rule belongs here."""

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from shared.ordering.events import OrderPlaced


@dataclass(frozen=True, slots=True)
class Rejected:
    """The order is not to be processed; the buyer reads the reason."""

    reason: str


def decide(event: OrderPlaced, *, refused_items: Collection[str]) -> Rejected | None:
    """Return why the order is rejected, or None to process it. The same event must always get the same decision.

    `refused_items` are names as `comparable` returns them.
    """
    for line in event.orderitems:
        if comparable(line.item) in refused_items:
            return Rejected(f"item not sold: {line.item}")
    return None


def comparable(name: str) -> str:
    """Return a form of the name in which all its spellings are equal, for comparison only.

    Case, Unicode composition, invisible characters and the amount of white space make no difference.
    """
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", visible).casefold())
    return " ".join(folded.split())
