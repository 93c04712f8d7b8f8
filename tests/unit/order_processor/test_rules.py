"""The business rules, and the table of transitions."""

import pytest

from order_processor.rules import Refused, decide
from shared.ordering.status import TABLE, Status
from support.handler import event


def test_an_order_without_refused_items_is_processed() -> None:
    assert decide(event("1", "apple", "pear"), refused_items={"plum"}) is None


def test_an_order_with_a_refused_item_is_refused_and_told_which() -> None:
    assert decide(event("1", "apple", "plum"), refused_items={"plum"}) == Refused("we do not sell plum")


@pytest.mark.parametrize("source", Status)
def test_a_status_changes_only_as_the_table_says(source: Status) -> None:
    allowed = {
        Status.PLACED: {Status.PROCESSED, Status.FAILED},
        Status.FAILED: {Status.PLACED},
        Status.PROCESSED: set(),
    }

    assert {transition.target for transition in TABLE if transition.source is source} == allowed[source]
