"""The handler processes each order once, fails only unprocessable orders, and counts no attempt during an outage."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from fakes.replica_set import Failure
from order_processor.rules import Rejected
from shared.kafka import KafkaError, KafkaException
from shared.ordering.transitions import OrderTransitions
from shared.resilience.parallel_bisect import ParallelBisect
from support.handler import PLACED_AT, TAKEN_AT, HandlerHarness, document, message


def test_batch_is_processed_with_one_update() -> None:
    harness = HandlerHarness(*(document(str(n), marked=True) for n in range(500)))
    operations: list[str] = []
    harness.servers.before_operation = operations.append

    batch = harness.handle(*(message(str(n), offset=n) for n in range(500)))

    assert batch.pending == []
    assert operations == ["update"]
    assert {order["status"] for order in harness.servers.view.values()} == {"PROCESSED"}
    assert harness.count("retail_orders_processed_total") == 500
    assert harness.count("retail_events_consumed_total", result="processed") == 500
    assert harness.count("retail_order_processing_seconds_sum") == 500 * 2.0


def test_large_batch_is_handled_by_two_threads() -> None:
    two_threads = ParallelBisect()
    settled = [{"status": "PROCESSED", "at": PLACED_AT, "by": "x", "reason": None}]
    orders = [document(str(n)) for n in range(1, 499)] + [document("0", status="PROCESSED", history=settled)]
    harness = HandlerHarness(*orders, bisect=two_threads.bisect)  # order 499 is missing
    threads: set[str] = set()
    harness.servers.before_operation = lambda _: threads.add(threading.current_thread().name)
    harness.servers.rejected_ids = {"250"}

    batch = harness.handle(*(message(str(n), offset=n) for n in range(500)))
    two_threads.close()

    assert len(threads) == 2
    assert [(record.message.offset, record.attempts) for record in batch.pending] == [(250, 1)]
    assert sum(order["status"] == "PROCESSED" for order in harness.servers.view.values()) == 498
    assert harness.count("retail_orders_processed_total") == 497
    assert harness.count("retail_events_consumed_total", result="duplicate") == 1
    assert [letter.message.key for letter in harness.dead_letters.sent] == [b"499"]


def test_processed_order_records_history_and_drops_outbox_entry() -> None:
    harness = HandlerHarness(document("1", marked=True))

    harness.handle(message("1"))

    order = harness.servers.view["1"]
    assert order["history"][1:] == [{"status": "PROCESSED", "at": TAKEN_AT, "by": "order-processor", "reason": None}]
    assert (order["processed_at"], order["version"], "outbox" in order) == (TAKEN_AT, 2, False)


@pytest.mark.parametrize("status", ["PROCESSED", "FAILED"])
def test_duplicate_event_changes_nothing_and_is_counted(status: str) -> None:
    settled = document("1", status=status, history=[{"status": status, "at": PLACED_AT, "by": "x", "reason": None}])
    harness = HandlerHarness(settled, document("2"))

    harness.handle(message("1"), message("2"), message("2"))

    assert harness.servers.view["1"] == settled
    assert harness.status("2") == "PROCESSED"
    assert harness.count("retail_events_consumed_total", result="duplicate") == 2
    assert harness.count("retail_orders_processed_total") == 1


def test_update_without_reply_is_retried_and_counted_once() -> None:
    harness = HandlerHarness(document("1"), document("2"))
    troubles = [Failure.UNANSWERED]
    clock = iter(TAKEN_AT + timedelta(seconds=n) for n in range(10))
    harness.handler._now = lambda: next(clock)
    harness.servers.before_operation = lambda operation: troubles.pop() if operation == "update" and troubles else None
    batch = harness.handle(message("1"), message("2", offset=1), times=0)

    with pytest.raises(PyMongoError):
        harness.handler.handle(batch)
    assert len(batch.pending) == 2
    harness.handler.handle(batch)

    assert batch.pending == []
    assert [len(order["history"]) for order in harness.servers.view.values()] == [2, 2]
    assert harness.count("retail_orders_processed_total") == 2
    assert harness.count("retail_events_consumed_total", result="duplicate") == 0


def test_order_redriven_during_update_is_retried() -> None:
    failed = [{"status": "FAILED", "at": PLACED_AT, "by": "x", "reason": None}]
    harness = HandlerHarness(document("1", status="FAILED", history=failed))

    def redrive_after_update(operation: str) -> None:
        if operation == "find":
            harness.servers.before_operation = lambda _: None
            harness.orders.redrive(["1"], at=TAKEN_AT, by="operator")

    harness.servers.before_operation = redrive_after_update
    batch = harness.handle(message("1"))

    assert len(batch.pending) == 1
    harness.handler.handle(batch)
    assert (batch.pending, harness.status("1")) == ([], "PROCESSED")


def test_order_not_yet_on_a_majority_reads_as_placed() -> None:
    harness = HandlerHarness()
    harness.servers.insert(document("1"))
    harness.servers.replicate()
    harness.servers.fail_over(trailing=1)  # the new primary's majority view does not have order 1 yet
    orders = harness.orders

    assert orders.states(["1"])["1"].status == "PLACED"
    assert orders.states(["2"]) == {}


def test_rejected_order_fails_alone_with_its_reason() -> None:
    harness = HandlerHarness(*(document(str(n)) for n in range(3)))

    batch = harness.handle(message("0"), message("1", "apple", "poison"), message("2"))

    assert batch.pending == []
    assert [harness.status(str(n)) for n in range(3)] == ["PROCESSED", "FAILED", "PROCESSED"]
    order = harness.servers.view["1"]
    assert order["history"][-1]["reason"] == "item not sold: poison"
    assert order["processed_at"] is None
    assert harness.count("retail_orders_failed_total", reason="refused") == 1
    assert harness.dead_letters.sent == []


def test_attempts_are_counted_only_for_the_order_that_mongodb_rejects() -> None:
    harness = HandlerHarness(*(document(str(n)) for n in range(500)))
    harness.servers.rejected_ids = {"250"}
    updates: list[str] = []
    harness.servers.before_operation = lambda operation: updates.append(operation) if operation == "update" else None

    batch = harness.handle(*(message(str(n), offset=n) for n in range(500)))

    assert len(updates) < 20  # bisection needs far fewer updates than there are orders
    assert [record.attempts for record in batch.pending] == [1]
    assert batch.done == {("orders.placed", 0): 250}
    assert sum(order["status"] == "PROCESSED" for order in harness.servers.view.values()) == 499
    assert harness.count("retail_events_consumed_total", result="processed") == 499
    assert harness.count("retail_events_consumed_total", result="duplicate") == 0
    for _ in range(3):
        harness.handler.handle(batch)
    assert harness.dead_letters.sent == []
    harness.handler.handle(batch)
    (letter,) = harness.dead_letters.sent  # dead-lettered, because the order cannot even become FAILED
    assert (batch.pending, letter.attempts, letter.message.key) == ([], 6, b"250")
    assert harness.status("250") == "PLACED"


def test_order_fails_after_five_failed_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = HandlerHarness(document("1"), document("2"))
    process = OrderTransitions.process

    def process_but_one(self: OrderTransitions, ids: Any, **more: Any) -> int:
        if "1" in ids:
            raise ValueError("a defect")
        return process(self, ids, **more)

    monkeypatch.setattr(OrderTransitions, "process", process_but_one)
    batch = harness.handle(message("1"), message("2"), times=4)

    assert (harness.status("1"), harness.status("2")) == ("PLACED", "PROCESSED")
    harness.handler.handle(batch)
    assert (batch.pending, harness.status("1")) == ([], "FAILED")
    reason = harness.servers.view["1"]["history"][-1]["reason"]
    assert reason == "could not be processed; contact the shop, reference 1"
    assert harness.count("retail_orders_failed_total", reason="error") == 1


def test_rule_that_raises_fails_only_the_order_concerned() -> None:
    def decide(event: Any, **_: Any) -> Rejected | None:
        if event.orderid == "1":
            raise ZeroDivisionError("a defect")
        return None

    harness = HandlerHarness(document("1"), document("2"), decide=decide)
    batch = harness.handle(message("1"), message("2"), times=5)

    assert (batch.pending, harness.status("1"), harness.status("2")) == ([], "FAILED", "PROCESSED")
    assert [str(letter.error) for letter in harness.dead_letters.sent] == ["a defect"]


def test_cause_of_failed_order_is_in_its_dead_letter() -> None:
    def decide(_event: Any, **_: Any) -> Rejected | None:
        raise ZeroDivisionError("a defect")

    harness = HandlerHarness(document("1"), decide=decide)
    harness.dead_letters.error = KafkaError(KafkaError._MSG_TIMED_OUT)
    batch = harness.handle(message("1"), message("1", offset=1), times=4)
    with pytest.raises(KafkaException):
        harness.handler.handle(batch)
    still_pending = len(batch.pending)
    harness.dead_letters.error = None
    harness.handler.handle(batch)

    assert (still_pending, batch.pending, harness.status("1")) == (1, [], "FAILED")
    (letter,) = harness.dead_letters.sent
    assert (letter.message.key, str(letter.error), letter.attempts) == (b"1", "a defect", 5)
    counted = {
        result: harness.count("retail_events_consumed_total", result=result)
        for result in ("failed", "duplicate", "dead_letter")
    }
    assert counted == {"failed": 1, "duplicate": 1, "dead_letter": 0}


@pytest.mark.parametrize("trouble", [Failure.NO_PRIMARY, Failure.LOST, Failure.UNANSWERED])
def test_outage_counts_no_attempt_and_sends_no_dead_letter(trouble: Failure) -> None:
    harness = HandlerHarness(document("1"), document("2"))
    harness.servers.before_operation = lambda operation: trouble if operation == "update" else None
    batch = harness.handle(message("1"), message("2", "poison"), times=0)

    for _ in range(20):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is depends on the breaker
            harness.handler.handle(batch)
        assert type(caught.value).__name__ in {"ServerSelectionTimeoutError", "NetworkTimeout", "CircuitOpen"}

    assert [record.attempts for record in batch.pending] == [0, 0]
    assert harness.dead_letters.sent == []


def test_processing_time_is_never_negative() -> None:
    harness = HandlerHarness(document("1"))
    harness.handler._now = lambda: PLACED_AT - timedelta(hours=1)

    harness.handle(message("1"))

    assert harness.count("retail_order_processing_seconds_sum") == 0.0
