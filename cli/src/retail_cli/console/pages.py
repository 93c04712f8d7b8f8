"""The pages of the console that only read."""

from flask import Blueprint, Response, abort, redirect, render_template, request, send_from_directory, url_for
from werkzeug.wrappers import Response as AnyResponse

from retail_cli import queries
from retail_cli.console.reader import reader
from retail_cli.store import Filter
from shared.ordering.status import Status

LIMIT = 100
PANELS = ("orders", "failed", "stuck", "dead_letters", "lag", "breakers")
blueprint = Blueprint("pages", __name__, template_folder="templates")


@blueprint.get("/")
def overview() -> str:
    """The overview: all panels, each of which loads and refreshes its own content."""
    return render_template("overview.html", panels=PANELS)


@blueprint.get("/static/<name>")
def asset(name: str) -> Response:
    """A static file of the console: its style sheet, script or icon."""
    return send_from_directory(f"{blueprint.root_path}/static", name)


@blueprint.get("/orders")
def orders() -> str:
    """The newest orders, filtered by status and user."""
    status, user = request.args.get("status", ""), request.args.get("user", "").strip()
    if status and status not in set(Status):
        abort(400)
    wanted = Filter(userid=user or None, status=Status(status) if status else None)
    report = queries.orders(reader().session, wanted, LIMIT)
    return render_template("orders.html", report=report, statuses=list(Status), status=status, user=user)


@blueprint.get("/order")
def find_order() -> AnyResponse:
    """Redirect to the page of the order whose id is in the search field."""
    return redirect(url_for("pages.order", order_id=request.args.get("id", "").strip() or "-"))


@blueprint.get("/order/<order_id>")
def order(order_id: str) -> str:
    """One order: its document, its history, its events with their offsets, and its dead letters."""
    with reader().with_topics() as session:
        report, _ = queries.order(session, order_id)
    return render_template("order.html", report=report, order=report.order)


@blueprint.get("/dead-letters/<int:partition>/<int:offset>")
def dead_letter(partition: int, offset: int) -> str:
    """One dead letter, with its headers and value."""
    with reader().with_topics() as session:
        detail = queries.dead_letter(session, partition, offset)
    return render_template("dead_letter.html", detail=detail)
