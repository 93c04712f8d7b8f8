"""The reports that the commands print and the console shows, built from what a session reads."""

from datetime import timedelta
from typing import NamedTuple

from retail_cli import presenters
from retail_cli.reports import (
    DeadLetter,
    DeadLetterDetail,
    DeadLetters,
    FailedOrder,
    OrderList,
    OrderReport,
    StuckReport,
)
from retail_cli.session import Refused, Session
from retail_cli.store import Filter
from retail_cli.topics import KafkaUnavailable, Record
from shared.ordering.outbox_entry import EPOCH

DEAD_LETTERS_SEARCHED = 10_000
STUCK_SECONDS = 180.0
TOO_LONG = "the topics are too long to be searched completely within this command's time limit"


class BrokenEvents(NamedTuple):
    """The newest dead letters. `complete` is false if the search left some out; `trouble` is Kafka's error or None."""

    items: list[DeadLetter]
    complete: bool
    trouble: str | None


def order(session: Session, order_id: str) -> tuple[OrderReport, bool]:
    """Return an order with its events and dead letters, and whether Kafka responded.

    Raise Refused if there is no such order.
    """
    document = session.orders.find(order_id)
    if document is None:
        raise Refused(f"there is no order {order_id}")
    shown = presenters.order(document)
    try:
        events = session.topics.events(order_id, shown.placed_at or EPOCH)
        letters = session.topics.dead_letters(DEAD_LETTERS_SEARCHED, order_id)
    except KafkaUnavailable as error:
        trouble = f"the topics could not be searched: Kafka is unavailable: {error}"
        return OrderReport(shown, [], [], complete=False, trouble=trouble), False
    complete = events.complete and letters.complete
    dead_letters = [presenters.dead_letter(each, {order_id: shown.status or "?"}) for each in letters.items]
    return OrderReport(shown, events.items, dead_letters, complete, None if complete else TOO_LONG), True


def stuck(session: Session, *, older_than: float, limit: int) -> StuckReport:
    """Return the PLACED orders that need attention, oldest first: `store.OrderReader.stuck` says which.

    An order is late if it became PLACED more than `older_than` seconds ago.
    """
    now = session.orders.now()
    found = session.orders.stuck(now - timedelta(seconds=older_than), limit + 1)
    return StuckReport([presenters.stuck(document, now) for document in found[:limit]], more=len(found) > limit)


def dead_letters(session: Session, limit: int) -> DeadLetters:
    """Return the newest dead letters and the newest FAILED orders, at most `limit` of each."""
    events = broken_events(session, limit)
    failed, more_failed = failed_orders(session, limit)
    more = more_failed or not events.complete
    return DeadLetters(events=events.items, failed_orders=failed, more=more, trouble=events.trouble)


def broken_events(session: Session, limit: int) -> BrokenEvents:
    """Return the newest dead letters, `limit` at most, each with the status of its order."""
    try:
        records = session.topics.dead_letters(limit)
    except KafkaUnavailable as error:
        trouble = f"the dead-letter topic could not be read: Kafka is unavailable: {error}"
        return BrokenEvents([], complete=True, trouble=trouble)
    keys = {presenters.order_id(each) for each in records.items}
    statuses = session.orders.statuses(key for key in keys if key)
    return BrokenEvents([presenters.dead_letter(each, statuses) for each in records.items], records.complete, None)


def record(session: Session, partition: int, offset: int) -> Record:
    """Return a dead letter as it is in the topic; raise Refused if there is no such dead letter."""
    found = session.topics.dead_letter(partition, offset)
    if found is None:
        raise Refused(f"there is no dead letter {partition}:{offset}")
    return found


def dead_letter(session: Session, partition: int, offset: int) -> DeadLetterDetail:
    """Return a dead letter with its headers and value, and the status of its order.

    Raise Refused if there is no such dead letter.
    """
    found = record(session, partition, offset)
    order_id = presenters.order_id(found)
    return presenters.dead_letter_detail(found, session.orders.statuses([order_id] if order_id else []))


def failed_orders(session: Session, limit: int) -> tuple[list[FailedOrder], bool]:
    """Return the newest FAILED orders, and whether there are more."""
    found = session.orders.failed(limit + 1)
    return [presenters.failed(document) for document in found[:limit]], len(found) > limit


def orders(session: Session, wanted: Filter, limit: int) -> OrderList:
    """Return the newest orders that match `wanted`."""
    found = session.orders.search(wanted, limit + 1)
    return OrderList([presenters.summary(document) for document in found[:limit]], more=len(found) > limit)
