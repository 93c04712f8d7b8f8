"""The business rules."""

import pytest

from order_processor.rules import Rejected, comparable, decide
from support.handler import event


def test_order_without_refused_items_is_processed() -> None:
    assert decide(event("1", "apple", "pear"), refused_items={"plum"}) is None


def test_rejection_of_an_order_names_the_refused_item() -> None:
    assert decide(event("1", "apple", "plum"), refused_items={"plum"}) == Rejected("item not sold: plum")


@pytest.mark.parametrize(
    "spelling",
    [
        "Crème Brûlée",
        "CRÈME BRÛLÉE",
        "Cre\u0300me Bru\u0302le\u0301e",
        "  crème \t brûlée\u00a0",
        "cr\u200bème\u2060 brûlée\ufeff",
        "cre\u200b\u0300me brûlée",
    ],
)
def test_refused_item_is_recognized_despite_case_blanks_and_unicode_form(spelling: str) -> None:
    refused_items = {comparable("crème brûlée")}

    assert decide(event("1", spelling), refused_items=refused_items) == Rejected(f"item not sold: {spelling}")


def test_refused_item_is_not_recognized_without_its_accents() -> None:
    assert decide(event("1", "creme brulee"), refused_items={comparable("crème brûlée")}) is None
