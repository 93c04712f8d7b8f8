"""The statuses of an order."""

import pytest

from shared.ordering.status import TABLE, Status


@pytest.mark.parametrize("source", Status)
def test_transition_table_allows_only_legal_changes(source: Status) -> None:
    allowed = {
        Status.PLACED: {Status.PROCESSED, Status.FAILED},
        Status.FAILED: {Status.PLACED},
        Status.PROCESSED: set(),
    }

    assert {transition.target for transition in TABLE if transition.source is source} == allowed[source]
