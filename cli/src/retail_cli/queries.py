"""The reports that the commands print and the console shows, built from what a session reads."""

from datetime import timedelta

from retail_cli import presenters
from retail_cli.reports import DeadLetters, FailedOrder, OrderList, OrderReport, StuckReport
from retail_cli.session import Session
from retail_cli.store import Filter
from retail_cli.topics import KafkaUnavailable, Record, SearchResult
from shared.ordering.outbox_entry import EPOCH

DEAD_LETTERS_SEARCHED = 10_000
STUCK_SECONDS = 180.0
TOO_LONG = "the topics are too long to be searched completely within this command's time limit"


def order(session: Session, order_id: str) -> tuple[OrderReport, bool] | None:
    """Return an order with its events and dead letters, and whether Kafka responded; None if no such order exists."""
    document = session.orders.find(order_id)
    if document is None:
        return None
    shown = presenters.order(document)
    try:
        events = session.topics.events(order_id, shown.placed_at or EPOCH)
        letters = session.topics.dead_letters(DEAD_LETTERS_SEARCHED, order_id)
    except KafkaUnavailable as error:
        trouble = f"the topics could not be searched: Kafka is unavailable: {error}"
        return OrderReport(shown, [], [], complete=False, trouble=trouble), False
    complete = events.complete and letters.complete
    dead_letters = [presenters.dead_letter(record, {order_id: shown.status or "?"}) for record in letters.items]
    return OrderReport(shown, events.items, dead_letters, complete, None if complete else TOO_LONG), True


def stuck(session: Session, *, older_than: float, limit: int) -> StuckReport:
    """Return the orders that were PLACED more than `older_than` seconds ago, or cannot be processed; oldest first."""
    now = session.orders.now()
    found = session.orders.stuck(now - timedelta(seconds=older_than), limit + 1)
    return StuckReport([presenters.stuck(document, now) for document in found[:limit]], more=len(found) > limit)


def dead_letters(session: Session, limit: int) -> DeadLetters:
    """Return the newest dead letters and FAILED orders, `limit` of each; `trouble` says why Kafka did not respond."""
    records: SearchResult[Record] = SearchResult([], complete=True)
    trouble = None
    try:
        records = session.topics.dead_letters(limit)
    except KafkaUnavailable as error:
        trouble = f"the dead-letter topic could not be read: Kafka is unavailable: {error}"
    keys = {presenters.order_id(record) for record in records.items}
    statuses = session.orders.statuses(key for key in keys if key)
    failed, more_failed = failed_orders(session, limit)
    return DeadLetters(
        events=[presenters.dead_letter(record, statuses) for record in records.items],
        failed_orders=failed,
        more=more_failed or not records.complete,
        trouble=trouble,
    )


def failed_orders(session: Session, limit: int) -> tuple[list[FailedOrder], bool]:
    """Return the newest FAILED orders, and whether there are more."""
    found = session.orders.failed(limit + 1)
    return [presenters.failed(document) for document in found[:limit]], len(found) > limit


def orders(session: Session, wanted: Filter, limit: int) -> OrderList:
    """Return the newest orders that match `wanted`."""
    found = session.orders.search(wanted, limit + 1)
    return OrderList([presenters.summary(document) for document in found[:limit]], more=len(found) > limit)
