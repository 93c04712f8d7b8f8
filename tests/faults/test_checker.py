"""The checker finds every kind of planted violation and no other; every fault row relies on it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from faults.harness.checker import Event, Verdict, check
from load_generator.ledger import Account, Ledger, read
from load_generator.responses import Answer

AT = datetime(2026, 1, 1, tzinfo=UTC)
UNKNOWN = Answer("unknown", 503)
UNAVAILABLE = Answer("unavailable", 503)
REFUSED = Answer("refused", 422)


def ok(reference: str, *, replayed: bool = False) -> Answer:
    return Answer("ok", 200, reference, replayed=replayed)


def account(path: Path, **tries: list[Answer]) -> Account:
    with Ledger(path / "ledger") as ledger:
        ledger.begin(run="r", seed=7, users=["ann"])
        for key, answers in tries.items():
            ledger.sent(key=key, user="ann", body={})
            for answer in answers:
                ledger.answered(key=key, at=1.0, ms=2.0, answer=answer)
    return read(path / "ledger")


def document(order: str, key: str, *statuses: str, user: str = "ann") -> dict[str, Any]:
    statuses = statuses or ("PLACED", "PROCESSED")
    return {
        "_id": order,
        "userid": user,
        "status": statuses[-1],
        "placed_at": AT,
        "processed_at": AT,
        "history": [{"status": status, "at": AT, "by": "x", "reason": "refused"} for status in statuses],
        "idempotency": {"key": key},
    }


def checked(account: Account, *documents: dict[str, Any], events: tuple[Event, ...] = (), **more: Any) -> Verdict:
    return check(account, documents, events, healed_at=AT.timestamp(), **more)


def test_run_without_violations_passes(tmp_path: Path) -> None:
    recorded = account(
        tmp_path,
        plain=[ok("1")],
        settled=[UNKNOWN, ok("2", replayed=True)],
        later=[UNAVAILABLE, ok("3")],
        refused=[REFUSED],
    )
    events = (Event("1", "ann", 0, 0), Event("2", "ann", 0, 1), Event("2", "ann", 0, 2), Event("3", "ann", 1, 0))

    verdict = checked(recorded, document("1", "plain"), document("2", "settled"), document("3", "later"), events=events)

    assert verdict.ok, verdict
    assert (verdict.orders, verdict.accepted, verdict.refused, verdict.repeated_events) == (4, 3, 1, 1)


def test_accepted_order_that_is_not_processed_counts_as_lost(tmp_path: Path) -> None:
    recorded = account(tmp_path, a=[ok("1")], b=[ok("2")], c=[ok("3")])

    verdict = checked(recorded, document("2", "b", "PLACED"), document("3", "c", "PLACED", "FAILED"))

    assert set(verdict.lost) == {"1", "2", "3"}
    assert verdict.broken == verdict.lost
    assert not verdict.ok


def test_expected_failure_does_not_count_as_lost(tmp_path: Path) -> None:
    assert checked(account(tmp_path, a=[ok("1")]), document("1", "a", "PLACED", "FAILED"), may_fail=True).ok


@pytest.mark.parametrize("answers", [[REFUSED], [UNAVAILABLE, UNAVAILABLE]])
def test_order_of_a_rejected_or_unavailable_request_counts_as_invented(tmp_path: Path, answers: list[Answer]) -> None:
    assert set(checked(account(tmp_path, a=answers), document("1", "a")).invented) == {"1"}


def test_unrequested_order_or_event_counts_as_invented(tmp_path: Path) -> None:
    recorded = account(tmp_path, a=[ok("1")])

    verdict = checked(recorded, document("1", "a"), document("2", "b"), events=(Event("9", "ann", 0, 0),))

    assert set(verdict.invented) == {"2", "9"}


def test_two_effects_orders_or_references_count_as_doubled(tmp_path: Path) -> None:
    recorded = account(tmp_path, a=[ok("1")], b=[ok("2")], c=[ok("4"), ok("5")])

    verdict = checked(
        recorded,
        document("1", "a", "PLACED", "PROCESSED", "PROCESSED"),
        document("2", "b"),
        document("3", "b"),
        document("4", "c"),
        document("5", "c"),
    )

    assert set(verdict.doubled) == {"1", "2", "3", "4", "5", "c"}


def test_contract_violations_are_counted(tmp_path: Path) -> None:
    answers = [Answer("unknown", 500, contract_violation="status 500"), ok("1")]
    recorded = account(tmp_path, a=answers, b=[UNAVAILABLE, ok("2")])
    assert checked(recorded, document("1", "a"), document("2", "b")).ok is False

    contradicted = account(tmp_path / "other", c=[UNAVAILABLE, ok("3", replayed=True)])
    verdict = checked(contradicted, document("3", "c"))

    assert list(verdict.contract_violations) == ["503 unavailable, but the order of that request exists"]


def test_unsettled_order_fails_the_check(tmp_path: Path) -> None:
    verdict = checked(account(tmp_path, a=[UNKNOWN]))

    assert (verdict.unsettled, verdict.ok) == (1, False)


def test_heal_time_ignores_orders_placed_after_the_fault(tmp_path: Path) -> None:
    late = document("1", "a") | {"processed_at": datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)}
    after = document("2", "b") | dict.fromkeys(("placed_at", "processed_at"), datetime(2026, 1, 1, 1, tzinfo=UTC))

    assert checked(account(tmp_path, a=[ok("1")], b=[ok("2")]), late, after).heal_seconds == 9.0


def test_truncated_ledger_is_read_up_to_its_last_complete_line(tmp_path: Path) -> None:
    account(tmp_path, a=[ok("1")], b=[ok("2")])
    whole = (tmp_path / "ledger").read_text()
    (tmp_path / "ledger").write_text(whole[:-10])

    assert read(tmp_path / "ledger").accepted == {"1"}
