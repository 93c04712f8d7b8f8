"""`retail dead-letters redrive`: which orders it changes, and what it reports."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from typer.testing import Result

from fakes.operator import FakeSession, FakeTopics, failed, letter, order
from retail_cli import dead_letter_commands
from retail_cli.output import print_warning
from shared.ordering.transitions import OrderTransitions
from support.command import printed_json, retail


def outcomes(result: Result) -> dict[str, str]:
    return {one["orderid"]: one["outcome"] for one in printed_json(result)["orders"]}


def lose_reply(transitions: OrderTransitions, *, when: Callable[[Sequence[str]], bool]) -> None:
    """Make a redrive raise AutoReconnect and change nothing if `when` returns true for its order ids."""
    move = transitions.redrive

    def redrive(ids: Sequence[str], **how: Any) -> int:
        if when(ids):
            raise AutoReconnect("gone")
        return move(ids, **how)

    transitions.redrive = redrive  # type: ignore[method-assign]


def test_redrive_records_who_redrove_the_order_and_why() -> None:
    session = FakeSession(failed("o1"))

    result = retail(
        session, "dead-letters", "redrive", "o1", "--reason", "the item is sold again", "--by", "ada", "--json"
    )

    assert (result.exit_code, outcomes(result)) == (0, {"o1": "redriven"})
    document = session.order("o1")
    assert (document["status"], document["version"]) == ("PLACED", 2)
    assert document["history"][-1] | {"at": None} == {
        "status": "PLACED",
        "at": None,
        "by": "operator:ada",
        "reason": "the item is sold again",
    }


def test_redrive_leaves_placed_and_processed_orders_unchanged() -> None:
    session = FakeSession(order("o1"), order("o2", "PROCESSED"))

    result = retail(session, "dead-letters", "redrive", "o1", "o2")

    assert result.exit_code == 0
    assert result.stdout.count("nothing to do") == 2
    assert "it is PROCESSED" in result.stdout


def test_redrive_with_an_unknown_order_exits_with_1() -> None:
    session = FakeSession(failed("o1"))

    result = retail(session, "dead-letters", "redrive", "o9", "o1", "--json")

    assert (result.exit_code, outcomes(result)) == (1, {"o9": "refused", "o1": "redriven"})
    assert result.stderr == "retail: refused: o9\n"


def test_redrive_accepts_the_id_of_a_dead_letter() -> None:
    session = FakeSession(failed("o1"), topics=FakeTopics(letters=[letter(7, b"o1"), letter(8, None)]))

    assert outcomes(retail(session, "dead-letters", "redrive", "0:7", "--json")) == {"o1": "redriven"}
    assert retail(session, "dead-letters", "redrive", "0:8").exit_code == 1


def test_redrive_all_redrives_every_failed_order_once() -> None:
    session = FakeSession(*(failed(f"o{n}") for n in range(1100)), order("p1", "PROCESSED"))

    first = outcomes(retail(session, "dead-letters", "redrive", "--all", "--json"))

    assert set(first.values()) == {"redriven"}
    assert len(first) == 1100
    assert outcomes(retail(session, "dead-letters", "redrive", "--all", "--json")) == {}


def test_dry_run_changes_nothing() -> None:
    session = FakeSession(failed("o1"))

    result = retail(session, "dead-letters", "redrive", "--all", "--dry-run", "--json")

    assert outcomes(result) == {"o1": "would redrive"}
    assert session.order("o1")["status"] == "FAILED"


def test_warnings_escape_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_warning("refused: \x1b]0;owned\x07\nand more")

    assert capsys.readouterr().err == "retail: refused: \\x1b]0;owned\\x07\nand more\n"


def test_only_the_order_that_the_validator_rejects_stays_failed() -> None:
    session = FakeSession(failed("o1"), failed("o2"), failed("o3"))
    session.servers.rejected_ids = {"o2"}

    result = retail(session, "dead-letters", "redrive", "o1", "o2", "o3", "--json")

    assert result.exit_code == 1
    assert outcomes(result) == {"o1": "redriven", "o2": "refused", "o3": "redriven"}


def test_redrive_without_a_reply_is_unknown_and_exits_with_3() -> None:
    session = FakeSession(*(failed(f"o{n:04}") for n in range(1100)))
    # orders are redriven newest first, 500 in one update
    lose_reply(session.transitions, when=lambda ids: "o0300" in ids)

    result = retail(session, "dead-letters", "redrive", "--all", "--json")

    reported = outcomes(result)
    assert result.exit_code == 3
    assert {orderid for orderid, outcome in reported.items() if outcome == "unknown"} == {
        f"o{n:04}" for n in range(100, 600)
    }
    assert {orderid for orderid, outcome in reported.items() if outcome == "redriven"} == {
        f"o{n:04}" for n in range(600, 1100)
    }


def test_outage_during_bisection_leaves_remaining_orders_unknown() -> None:
    """An order whose outcome was not known before the outage is reported as unknown, not as FAILED."""
    session = FakeSession(failed("o1"), failed("o2"), failed("o3"), failed("o4"))
    session.servers.rejected_ids = {"o2"}
    lose_reply(session.transitions, when=lambda ids: ids == ["o3", "o4"])

    result = retail(session, "dead-letters", "redrive", "o1", "o2", "o3", "o4", "--json")

    assert result.exit_code == 3
    assert outcomes(result) == {"o1": "redriven", "o2": "refused", "o3": "unknown", "o4": "unknown"}


def test_redrive_all_warns_if_more_orders_than_the_limit_are_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letter_commands, "REDRIVE_LIMIT", 2)
    session = FakeSession(failed("o1"), failed("o2"), failed("o3"))

    first = retail(session, "dead-letters", "redrive", "--all", "--json")
    second = retail(session, "dead-letters", "redrive", "--all", "--json")

    assert outcomes(first) == {"o3": "redriven", "o2": "redriven"}
    assert "more than 2 orders are FAILED" in first.stderr
    assert (outcomes(second), second.stderr) == ({"o1": "redriven"}, "")


def test_redrive_requires_either_orders_or_the_option_all() -> None:
    session = FakeSession(failed("o1"))

    assert retail(session, "dead-letters", "redrive").exit_code == 2
    assert retail(session, "dead-letters", "redrive", "--all", "o1").exit_code == 2
    assert session.order("o1")["status"] == "FAILED"


def test_redrive_records_the_operating_systems_user_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "grace")
    session = FakeSession(failed("o1"))

    assert retail(session, "dead-letters", "redrive", "o1").exit_code == 0
    assert session.order("o1")["history"][-1]["by"] == "operator:grace"


def test_redrive_by_a_uid_without_a_name_is_recorded_as_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr("getpass.getuser", no_name)
    session = FakeSession(failed("o1"))

    assert retail(session, "dead-letters", "redrive", "o1").exit_code == 0
    assert session.order("o1")["history"][-1]["by"] == "operator"


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "a\x1bb"])
def test_redrive_by_an_invalid_name_exits_with_2(name: str) -> None:
    session = FakeSession(failed("o1"))

    assert retail(session, "dead-letters", "redrive", "o1", "--by", name).exit_code == 2
    assert session.order("o1")["status"] == "FAILED"
