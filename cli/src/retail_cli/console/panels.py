"""The panels of the overview. Each is loaded separately, so that a slow Kafka delays only the panels that need it."""

from flask import Blueprint, render_template

from retail_cli import presenters, queries
from retail_cli import replicas as replica_metrics
from retail_cli.console.reader import reader

LIMIT = 50
blueprint = Blueprint("panels", __name__, template_folder="templates")


@blueprint.get("/panels/orders")
def orders() -> str:
    """How many orders have each status, and the figures of the outbox."""
    store = reader().session.orders
    return render_template("panel_orders.html", counts=store.counts(), outbox=presenters.outbox(store.outbox()))


@blueprint.get("/panels/failed")
def failed() -> str:
    """The newest FAILED orders, from which a person chooses those to redrive."""
    found, more = queries.failed_orders(reader().session, LIMIT)
    return render_template("panel_failed.html", failed=found, more=more)


@blueprint.get("/panels/stuck")
def stuck() -> str:
    """The PLACED orders that are late, were requeued five times or more, or have an unusable outbox entry."""
    report = queries.stuck(reader().session, older_than=queries.STUCK_SECONDS, limit=LIMIT)
    return render_template("panel_stuck.html", report=report, seconds=int(queries.STUCK_SECONDS))


@blueprint.get("/panels/dead-letters")
def dead_letters() -> str:
    """The newest dead letters."""
    with reader().with_topics() as session:
        events = queries.broken_events(session, LIMIT)
    return render_template("panel_dead_letters.html", events=events)


@blueprint.get("/panels/lag")
def lag() -> str:
    """The offsets of each partition of the event topic, and the total lag."""
    with reader().with_topics() as session:
        partitions = session.topics.read()
    total = sum(offsets.lag for offsets in partitions.values())
    return render_template("panel_lag.html", partitions=sorted(partitions.items()), total=total)


@blueprint.get("/panels/breakers")
def breakers() -> str:
    """The circuit breakers of each replica."""
    report = replica_metrics.read_breakers(reader().replicas())
    return render_template("panel_breakers.html", report=report)
