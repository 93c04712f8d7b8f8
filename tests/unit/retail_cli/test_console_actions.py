"""Redrive and reconcile in the operator's console: a dry run, then one confirmation."""

import pytest
from pymongo.errors import AutoReconnect

from fakes.operator import failed, order
from retail_cli.console import actions
from support.console import console, plan_id, post, raising


def test_redrive_begins_with_a_dry_run_that_names_the_count() -> None:
    client, session = console(failed("o1"), failed("o2"), order("o3", "PROCESSED"))

    page = post(client, "/redrive", order=["o1", "o2", "o3"]).text

    assert "Redrive 2 orders" in page
    assert "would redrive" in page
    assert {session.order(each)["status"] for each in ("o1", "o2")} == {"FAILED"}


def test_confirmed_redrive_changes_only_the_orders_of_the_dry_run() -> None:
    client, session = console(failed("o1"), failed("o2"))
    plan = plan_id(post(client, "/redrive", order="o1").text)

    page = post(client, "/redrive/confirmed", plan=plan, reason="sold again").text

    assert "Redriven: 1 of 1" in page
    assert session.order("o1")["status"] == "PLACED"
    assert session.order("o1")["history"][-1] | {"at": None} == {
        "status": "PLACED",
        "at": None,
        "by": "operator:ada",
        "reason": "sold again",
    }
    assert session.order("o2")["status"] == "FAILED"


def test_redrive_all_redrives_all_failed_orders() -> None:
    client, session = console(failed("o1"), failed("o2"), order("o3"))

    page = post(client, "/redrive", which="all").text
    post(client, "/redrive/confirmed", plan=plan_id(page))

    assert "Redrive 2 orders" in page
    assert {session.order(each)["status"] for each in ("o1", "o2")} == {"PLACED"}


def test_redrive_all_warns_about_failed_orders_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "REDRIVE_LIMIT", 2)
    client, session = console(failed("o1"), failed("o2"), failed("o3"))

    page = post(client, "/redrive", which="all").text
    post(client, "/redrive/confirmed", plan=plan_id(page))

    assert "More orders are FAILED than these 2" in page
    assert "Redrive 2 orders" in page
    assert {each: session.order(each)["status"] for each in ("o1", "o3")} == {"o1": "FAILED", "o3": "PLACED"}


@pytest.mark.parametrize("plan", ["", "unknown"])
def test_redrive_without_a_dry_run_is_refused(plan: str) -> None:
    client, session = console(failed("o1"))

    answer = post(client, "/redrive/confirmed", plan=plan, order="o1")

    assert (answer.status_code, "begin with the dry run" in answer.text) == (404, True)
    assert session.order("o1")["status"] == "FAILED"


def test_confirmation_is_valid_once_and_only_for_its_action() -> None:
    client, _ = console(failed("o1"))
    plan = plan_id(post(client, "/redrive", order="o1").text)
    other = plan_id(post(client, "/redrive", order="o1").text)

    assert post(client, "/reconcile/confirmed", plan=other).status_code == 404
    assert post(client, "/redrive/confirmed", plan=plan).status_code == 200
    assert post(client, "/redrive/confirmed", plan=plan).status_code == 404


def test_lost_reply_in_a_redrive_is_reported_as_unknown() -> None:
    client, session = console(failed("o1"))
    plan = plan_id(post(client, "/redrive", order="o1").text)
    session.transitions.redrive = raising(AutoReconnect("gone"))  # type: ignore[method-assign]

    page = post(client, "/redrive/confirmed", plan=plan).text

    assert "Redriven: 0 of 1" in page
    assert "no reply; the redrive is safe to repeat" in page


def test_reconcile_requeues_after_a_dry_run_that_names_the_count() -> None:
    client, session = console(order("o1"), order("o2", "PROCESSED"))

    page = post(client, "/reconcile").text
    assert "Requeue 1 order" in page
    assert "outbox" not in session.order("o1")

    answer = post(client, "/reconcile/confirmed", plan=plan_id(page))

    assert "Lost events: 1 requeued" in answer.text
    assert session.order("o1")["outbox"]["attempts"] == 0
