"""The business rules."""

from order_processor.rules import Refused, decide
from support.handler import event


def test_order_without_refused_items_is_processed() -> None:
    assert decide(event("1", "apple", "pear"), refused_items={"plum"}) is None


def test_order_with_refused_item_is_refused_by_name() -> None:
    assert decide(event("1", "apple", "plum"), refused_items={"plum"}) == Refused("item not sold: plum")
