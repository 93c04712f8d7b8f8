"""Placing an order: from a checked request to the answer, with the event handed on after the commit point only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from order_api import orders
from order_api.orders import Document, Order
from order_api.store import DuplicateOrder, OutcomeUnknown, StoreUnavailable
from shared.resilience import crash
from shared.telemetry.metrics import OrderMetrics


class KeyReused(Exception):  # noqa: N818 - a state of the key
    """The Idempotency-Key belongs to another order of this user."""


class Orders(Protocol):
    """Where orders are kept; see `store.OrderStore` for the contract."""

    @property
    def is_confirmed(self) -> bool:
        """True once the unique index is known to be there."""

    def insert(self, document: Document) -> None:
        """Store an order; raise DuplicateOrder, StoreUnavailable or OutcomeUnknown."""

    def find_earlier(self, document: Document) -> Document | None:
        """Return the safe order that made the insert of `document` a duplicate; raise StoreUnavailable."""


@dataclass(frozen=True)
class Placing:
    """What placing an order needs; `offer` takes the event of a stored order and never waits."""

    store: Orders
    offer: Callable[[Document], None]
    metrics: OrderMetrics
    now: Callable[[], datetime]
    randomness: Callable[[int], bytes]

    def place(self, order: Order, *, key: str | None, traceparent: str | None) -> tuple[Document, bool]:
        """Return the order's document and whether it was placed by an earlier request.

        Raise StoreUnavailable (nothing was done), OutcomeUnknown, or KeyReused.
        """
        if not self.store.is_confirmed:
            raise StoreUnavailable
        now = _whole_milliseconds(self.now())
        order_id = orders.new_id(now, self.randomness(orders.RANDOM_BYTES))
        record = orders.document(order, order_id=order_id, now=now, key=key, traceparent=traceparent)
        crash.point("before-insert")
        try:
            self.store.insert(record)
        except DuplicateOrder:
            return self._settle(record)
        crash.point("after-insert")
        self.offer(record)
        crash.point("before-answer")
        self.metrics.placed.inc()
        return record, False

    def _settle(self, record: Document) -> tuple[Document, bool]:
        """Answer a duplicate from what is safe on a majority: an earlier request's order, or our own earlier try."""
        earlier, unavailable = None, StoreUnavailable()
        try:
            earlier = self.store.find_earlier(record)
        except StoreUnavailable as error:
            unavailable = error
        if earlier is None:
            # With a key repeating is safe. Without one, the duplicate is our own try, which may yet become an order.
            raise unavailable if "idempotency" in record else OutcomeUnknown(record["_id"])
        if earlier["_id"] == record["_id"]:
            self.metrics.placed.inc()
            return earlier, False
        if earlier["idempotency"]["fingerprint"] != record["idempotency"]["fingerprint"]:
            raise KeyReused
        self.metrics.replayed.inc()
        return earlier, True


def _whole_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
