"""Includes excluded orders: restores their outbox entry, so that their event is published."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from retail_cli.document_check import find_problems, readable
from retail_cli.reports import EVENT_QUEUED, OrderOutcome
from shared.mongo import Document, is_document_error
from shared.ordering.status import Status

NO_REPLY = "no reply; the command is safe to repeat"


class Reader(Protocol):
    """The part of `store.OrderReader` that this module needs."""

    def find(self, order_id: str) -> Document | None:
        """Return an order's document, None if there is none."""


class Transitions(Protocol):
    """The part of `shared.ordering.transitions.OrderTransitions` that this module needs."""

    def include(self, ids: Sequence[str]) -> int:
        """Restore the outbox entry of each excluded order in `ids`; return the number of orders restored."""


def include(
    reader: Reader, transitions: Transitions, order_ids: Sequence[str], *, dry_run: bool
) -> Iterator[OrderOutcome]:
    """Include each order that is excluded, and yield the outcome for every order. Safe to repeat and to interrupt.

    An order is refused if it does not exist, if it is still malformed, or if MongoDB rejects its update. A malformed
    order would only be excluded again. When MongoDB does not reply to an update, the order is yielded as unknown before
    the error is raised.
    """
    for order_id in order_ids:
        document = reader.find(order_id)
        if document is None:
            yield OrderOutcome(order_id, "refused", "there is no such order")
        elif not _is_excluded(document):
            yield OrderOutcome(order_id, "nothing to do", _describe(document))
        elif problems := find_problems({name: value for name, value in document.items() if name != "outbox"}):
            yield OrderOutcome(order_id, "refused", f"still malformed: {problems[0]}")
        elif dry_run:
            yield OrderOutcome(order_id, "would include", "it is excluded")
        else:
            yield from _include(transitions, order_id)


def _include(transitions: Transitions, order_id: str) -> Iterator[OrderOutcome]:
    try:
        included = transitions.include([order_id])
    except Exception as error:
        if not is_document_error(error):
            yield OrderOutcome(order_id, "unknown", NO_REPLY)
            raise
        yield OrderOutcome(order_id, "refused", f"MongoDB rejects the update: {error}")
        return
    if included:
        yield OrderOutcome(order_id, "included", EVENT_QUEUED)
    else:
        yield OrderOutcome(order_id, "nothing to do", "it is no longer excluded")


def _is_excluded(document: Document) -> bool:
    """Return whether the document matches the query `outbox_entry.EXCLUDED`."""
    entry: Any = document.get("outbox")
    return document.get("status") == Status.PLACED and isinstance(entry, dict) and isinstance(entry.get("due"), str)


def _describe(document: Document) -> str:
    status = document.get("status")
    return "it is PLACED and not excluded" if status == Status.PLACED else f"it is {readable(str(status))}"
