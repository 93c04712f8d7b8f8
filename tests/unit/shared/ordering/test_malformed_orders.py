"""A malformed order becomes FAILED or is excluded from reconciliation, and does not delay the other orders."""

from typing import Any

import pytest
from pymongo.errors import WriteError

from shared.mongo import Document
from shared.ordering import outbox_entry
from shared.ordering.document import MalformedOrder, check
from shared.ordering.offsets import Offsets
from shared.ordering.reconcile import Outcome, Reconciler
from shared.ordering.transitions import OrderTransitions, State
from support.handler import PLACED_AT, TAKEN_AT, HandlerHarness, document, message

SHAPES: dict[str, dict[str, Any]] = {
    "history is a text": {"history": "PLACED"},
    "history is missing": {"history": None},
    "version is a text": {"version": "1"},
    "history has no objects": {"history": [1]},
}


def without_outbox_entry(harness: HandlerHarness) -> set[str]:
    return {one for stuck in (False, True) for one in harness.orders.without_outbox_entry(limit=10, stuck=stuck)}


@pytest.mark.parametrize("shape", [SHAPES["history is a text"], SHAPES["version is a text"]])
def test_only_the_malformed_order_becomes_failed_after_five_attempts(shape: Document) -> None:
    harness = HandlerHarness(*(document(str(n)) for n in range(9)), document("bad", marked=True, **shape))
    messages = [message(str(n), offset=n) for n in range(9)]

    batch = harness.handle(*messages, message("bad", offset=9), times=4)
    left = [(record.message.key, record.attempts) for record in batch.pending]
    harness.handler.handle(batch)

    assert left == [(b"bad", 4)]
    assert batch.pending == []
    assert {harness.status(str(n)) for n in range(9)} == {"PROCESSED"}
    order = harness.servers.view["bad"]
    assert (order["status"], order["history"][-1]["status"]) == ("FAILED", "FAILED")
    assert order["history"][-1]["reason"] == "could not be processed; contact the shop, reference bad"
    assert isinstance(order["version"], int)
    assert "outbox" not in order


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_malformed_order_can_become_failed(shape: Document) -> None:
    harness = HandlerHarness(document("bad", **shape))

    assert harness.orders.fail(["bad"], at=TAKEN_AT, reason="why", by="order-api") == 1
    assert harness.orders.fail(["bad"], at=TAKEN_AT, reason="why", by="order-api") == 0

    last = harness.servers.view["bad"]["history"][-1]
    assert last == {"status": "FAILED", "at": TAKEN_AT, "by": "order-api", "reason": "why"}


def test_reference_of_an_order_whose_id_is_not_utf8_can_be_encoded() -> None:
    with pytest.raises(MalformedOrder, match="not valid UTF-8") as raised:
        check(document("a\udcff"))

    assert raised.value.order_id == "a\\udcff"


def test_reason_with_a_dollar_sign_is_stored_literally() -> None:
    harness = HandlerHarness(document("bad", version="1"))

    harness.orders.fail(["bad"], at=TAKEN_AT, reason="$userid")

    assert harness.servers.view["bad"]["history"][-1]["reason"] == "$userid"


def test_order_with_unusable_outbox_entry_is_requeued() -> None:
    harness = HandlerHarness(document("bad", outbox="due", rearmed="never"), document("lost"))

    assert without_outbox_entry(harness) == {"bad", "lost"}
    assert harness.orders.requeue(["bad"]) == 1

    order = harness.servers.view["bad"]
    assert order["outbox"] == {"due": TAKEN_AT, "attempts": 0, "claim": None, "traceparent": None}
    assert order["rearmed"] == 1


def reject_updates_except_exclusion(monkeypatch: pytest.MonkeyPatch, harness: HandlerHarness) -> None:
    """Make MongoDB reject every update, except one that excludes an order."""
    update = harness.servers.update

    def but_exclusion(query: Any, change: Any, *, many: bool) -> int:
        if change != outbox_entry.exclude():
            raise WriteError("too large", 17419)
        return update(query, change, many=many)

    monkeypatch.setattr(harness.servers, "update", but_exclusion)


def test_order_that_cannot_become_failed_is_excluded_from_reconciliation(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = HandlerHarness(document("bad"))
    reject_updates_except_exclusion(monkeypatch, harness)

    batch = harness.handle(message("bad"), times=5)
    monkeypatch.undo()

    assert batch.pending == []
    assert [type(letter.error) for letter in harness.dead_letters.sent] == [WriteError]
    order = harness.servers.view["bad"]
    assert (order["status"], order["outbox"]["due"]) == ("PLACED", "excluded")
    assert without_outbox_entry(harness) == set()
    assert harness.servers.find(outbox_entry.PENDING, local=False) == []
    assert [one["_id"] for one in harness.servers.find(outbox_entry.EXCLUDED, local=False)] == ["bad"]


def test_reconciliation_excludes_an_order_it_cannot_requeue(monkeypatch: pytest.MonkeyPatch) -> None:
    class Topic:
        def read(self) -> dict[int, Offsets]:
            return {0: Offsets(0, 0, None)}

    harness = HandlerHarness(document("bad"))
    reconciler = Reconciler(harness.orders, Topic())
    reject_updates_except_exclusion(monkeypatch, harness)

    outcomes = [reconciler.step(), reconciler.step()]

    assert outcomes == [Outcome.REQUEUED, Outcome.IDLE]
    assert reconciler.rejected == 1


def test_include_gives_only_excluded_orders_a_new_outbox_entry() -> None:
    harness = HandlerHarness(document("1", outbox={"due": "excluded", "attempts": 0}), document("2", marked=True))

    assert harness.orders.include(["1", "2"]) == 1
    assert harness.servers.view["1"]["outbox"] == {"due": TAKEN_AT, "attempts": 0, "claim": None, "traceparent": None}


def test_excluded_order_is_processed_when_its_event_arrives() -> None:
    harness = HandlerHarness(document("1", outbox={"due": "excluded", "attempts": 0}))

    harness.handle(message("1"))

    assert harness.status("1") == "PROCESSED"
    assert "outbox" not in harness.servers.view["1"]


def test_event_of_order_with_unknown_status_becomes_dead_letter() -> None:
    shipped = document("1", status="SHIPPED")
    harness = HandlerHarness(shipped, document("2"))

    batch = harness.handle(message("1"), message("2"), times=6)

    assert (batch.pending, harness.servers.view["1"], harness.status("2")) == ([], shipped, "PROCESSED")
    assert [type(letter.error).__name__ for letter in harness.dead_letters.sent] == ["MalformedOrder"]


@pytest.mark.parametrize("history", ["PLACED", None, [], [1], [{"status": "FAILED"}]])
def test_state_of_an_order_with_malformed_history_has_no_time(history: Any) -> None:
    harness = HandlerHarness(document("1", status="FAILED", history=history), document("2"))

    states = OrderTransitions.states(harness.orders, ["1", "2"])

    assert states["1"].since is None
    assert states["2"] == State(states["2"].status, PLACED_AT)
