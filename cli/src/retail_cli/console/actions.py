"""Redrive and reconcile: first a dry run, then a confirmation that names the number of orders."""

from flask import Blueprint, abort, current_app, render_template, request

from retail_cli import failures, redriving
from retail_cli.console.plans import Plan, Plans
from retail_cli.console.reader import reader
from retail_cli.reconciling import run_pass
from retail_cli.reports import OrderOutcome
from retail_cli.session import Refused

REDRIVE_LIMIT = 10_000  # orders: the page of the dry run lists them all
RECONCILE_SECONDS = 20.0
MAX_REASON = 200
USED = "this confirmation was used before or is older than ten minutes: begin with the dry run again"
blueprint = Blueprint("actions", __name__, template_folder="templates")


@blueprint.post("/redrive")
def plan_redrive() -> str:
    """Dry run: show which of the chosen orders, or of all FAILED orders, would be redriven."""
    session = reader().session
    chosen = request.form.getlist("order")
    more = False
    if request.form.get("which") == "all":
        chosen, more = redriving.find_failed(session.orders, REDRIVE_LIMIT)
    if not chosen:
        raise Refused("choose at least one order")
    outcomes = _redrive(tuple(dict.fromkeys(chosen)), reason="", dry_run=True)
    ids = tuple(one.orderid for one in outcomes if one.outcome == "would redrive")
    return render_template(
        "confirm_redrive.html",
        outcomes=outcomes,
        count=len(ids),
        more=more,
        plan_id=_plans().add(Plan("redrive", ids)),
        reason=redriving.DEFAULT_REASON,
        max_reason=MAX_REASON,
    )


@blueprint.post("/redrive/confirmed")
def redrive() -> str:
    """Redrive the orders that the dry run showed as FAILED."""
    reason = request.form.get("reason", "").strip() or redriving.DEFAULT_REASON
    if len(reason) > MAX_REASON or not reason.isprintable():
        abort(400)
    plan = _take("redrive")
    return render_template("redriven.html", outcomes=_redrive(plan.order_ids, reason=reason, dry_run=False))


@blueprint.post("/reconcile")
def plan_reconcile() -> str:
    """Dry run: show how many orders would be requeued because their event is lost."""
    with reader().with_topics() as session:
        report = run_pass(session.transitions, session.orders, session.topics, dry_run=True, seconds=RECONCILE_SECONDS)
    plan_id = _plans().add(Plan("reconcile"))
    return render_template("confirm_reconcile.html", report=report, plan_id=plan_id)


@blueprint.post("/reconcile/confirmed")
def reconcile() -> str:
    """Requeue the orders whose event is lost."""
    _take("reconcile")
    with reader().with_topics() as session:
        report = run_pass(session.transitions, session.orders, session.topics, dry_run=False, seconds=RECONCILE_SECONDS)
    return render_template("reconciled.html", report=report)


def _redrive(order_ids: tuple[str, ...], *, reason: str, dry_run: bool) -> list[OrderOutcome]:
    """Redrive the orders, or find out which would be redriven; return the outcome for each order.

    If MongoDB fails after some outcomes are known, the other orders are `unknown`. If it fails before, raise its error.
    """
    session, by = reader().session, current_app.extensions["by"]
    done: list[OrderOutcome] = []
    try:
        done.extend(
            redriving.redrive(session.orders, session.transitions, order_ids, by=by, reason=reason, dry_run=dry_run)
        )
    except failures.EXPECTED:
        if not done:
            raise
        known = {one.orderid for one in done}
        done += [OrderOutcome(each, "unknown", redriving.NO_REPLY) for each in order_ids if each not in known]
    return done


def _plans() -> Plans:
    plans: Plans = current_app.extensions["plans"]
    return plans


def _take(kind: str) -> Plan:
    plan = _plans().take(request.form.get("plan", ""), kind)
    if plan is None:
        raise Refused(USED)
    return plan
