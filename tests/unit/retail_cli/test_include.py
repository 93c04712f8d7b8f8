"""`retail orders include`: excluded orders get their outbox entry back."""

from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, WriteError
from typer.testing import Result

from fakes.operator import FakeSession, order, outbox_entry
from shared.ordering.outbox_entry import EXCLUDED
from support.command import printed_json, retail

EXCLUSION = {"due": "excluded", "attempts": 0}


def outcomes(result: Result) -> dict[str, tuple[str, str]]:
    return {one["orderid"]: (one["outcome"], one["detail"]) for one in printed_json(result)["orders"]}


def excluded(order_id: str, **more: Any) -> dict[str, Any]:
    return order(order_id, outbox=dict(EXCLUSION), **more)


def fail_update(session: FakeSession, order_id: str, error: Exception) -> None:
    """Make the inclusion of this order raise `error`."""
    move = session.transitions.include

    def fail(ids: Sequence[str]) -> int:
        if order_id in ids:
            raise error
        return move(ids)

    session.transitions.include = fail  # type: ignore[method-assign]


def test_excluded_order_gets_its_outbox_entry_back() -> None:
    session = FakeSession(excluded("o1"), excluded("o2"))

    result = retail(session, "orders", "include", "o1", "o1", "--json")

    assert (result.exit_code, outcomes(result)) == (0, {"o1": ("included", "PLACED, event queued")})
    assert len(printed_json(result)["orders"]) == 1
    assert session.order("o1")["outbox"] == outbox_entry()
    assert session.order("o1")["status"] == "PLACED"
    assert session.order("o2")["outbox"] == EXCLUSION
    assert [one["_id"] for one in session.servers.find(EXCLUDED, local=True)] == ["o2"]


def test_second_include_of_an_order_changes_nothing() -> None:
    session = FakeSession(excluded("o1"))
    retail(session, "orders", "include", "o1")
    before = dict(session.order("o1"))

    result = retail(session, "orders", "include", "o1", "--json")

    assert (result.exit_code, outcomes(result)) == (0, {"o1": ("nothing to do", "it is PLACED and not excluded")})
    assert session.order("o1") == before


@pytest.mark.parametrize("status", ["PROCESSED", "FAILED"])
def test_include_leaves_a_finished_order_unchanged(status: str) -> None:
    session = FakeSession(order("o1", status, outbox=dict(EXCLUSION)))

    result = retail(session, "orders", "include", "o1", "--json")

    assert (result.exit_code, outcomes(result)) == (0, {"o1": ("nothing to do", f"it is {status}")})
    assert session.order("o1")["outbox"] == EXCLUSION


def test_include_refuses_a_malformed_order_and_includes_the_others() -> None:
    session = FakeSession(excluded("o1", cost=12.5), excluded("o2"))

    result = retail(session, "orders", "include", "o1", "o9", "o2", "--json")

    assert result.exit_code == 1
    assert outcomes(result) == {
        "o1": ("refused", "still malformed: cost: is double 12.5, must be int or long"),
        "o9": ("refused", "there is no such order"),
        "o2": ("included", "PLACED, event queued"),
    }
    assert result.stderr == "retail: refused: o1, o9\n"
    assert session.order("o1")["outbox"] == EXCLUSION


def test_dry_run_includes_nothing() -> None:
    session = FakeSession(excluded("o1"))

    result = retail(session, "orders", "include", "o1", "--dry-run", "--json")

    assert (result.exit_code, outcomes(result)) == (0, {"o1": ("would include", "it is excluded")})
    assert printed_json(result)["dry_run"] is True
    assert session.order("o1")["outbox"] == EXCLUSION


def test_inclusion_rejected_by_mongodb_is_reported_as_refused() -> None:
    session = FakeSession(excluded("o1"), excluded("o2"))
    fail_update(session, "o1", WriteError("Document failed validation", 121))

    result = retail(session, "orders", "include", "o1", "o2", "--json")

    assert result.exit_code == 1
    assert outcomes(result)["o1"] == ("refused", "MongoDB rejects the update: Document failed validation")
    assert outcomes(result)["o2"][0] == "included"


def test_inclusion_without_a_reply_is_reported_as_unknown() -> None:
    session = FakeSession(excluded("o1"), excluded("o2"), excluded("o3"))
    fail_update(session, "o2", AutoReconnect("gone"))

    result = retail(session, "orders", "include", "o1", "o2", "o3", "--json")

    assert result.exit_code == 3
    assert {order_id: outcome for order_id, (outcome, _) in outcomes(result).items()} == {
        "o1": "included",
        "o2": "unknown",
    }
    assert session.order("o3")["outbox"] == EXCLUSION


def test_include_reports_an_order_that_another_operator_included_first() -> None:
    session = FakeSession(excluded("o1"))
    move = session.transitions.include

    def twice(ids: Sequence[str]) -> int:
        move(ids)
        return move(ids)

    session.transitions.include = twice  # type: ignore[method-assign]

    assert outcomes(retail(session, "orders", "include", "o1", "--json")) == {
        "o1": ("nothing to do", "it is no longer excluded")
    }


def test_include_requires_an_order_and_draws_a_table() -> None:
    session = FakeSession(excluded("o1"))

    assert retail(session, "orders", "include").exit_code == 2
    result = retail(session, "orders", "include", "o1")
    assert result.exit_code == 0
    assert "Include" in result.stdout
    assert "PLACED, event queued" in result.stdout
