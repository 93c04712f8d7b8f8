"""Places an order: stores a validated request, and queues its event only after the commit point."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from order_api import orders
from order_api.metrics import OrderMetrics
from order_api.orders import Document, Order
from order_api.store import DuplicateOrder, OrderStore
from shared.mongo import truncate_to_milliseconds
from shared.ordering.events import TOPIC
from shared.resilience import crash
from shared.store import OutcomeUnknown, StoreUnavailable
from shared.telemetry.tracing import OFF, Tracer

CREATE = f"create {TOPIC}"


class IdempotencyKeyReused(Exception):  # noqa: N818 - a state of the key
    """The Idempotency-Key belongs to a different order of this user."""


@dataclass(frozen=True)
class OrderPlacement:
    """Stores orders; `enqueue` gets the document of each new order, to publish the event, and must not wait."""

    store: OrderStore
    enqueue: Callable[[Document], None]
    metrics: OrderMetrics
    now: Callable[[], datetime]
    randomness: Callable[[int], bytes]
    tracer: Tracer = OFF

    def place(
        self, order: Order, *, key: str | None, traceparent: str | None, sent: Order | None = None
    ) -> tuple[Document, bool]:
        """Return the order's document, and whether an earlier request placed it.

        `sent` is the order before its text was normalized: a replay may match either form. `traceparent` is the
        request's trace context; the document stores the context of the span around the insert, which is the parent of
        every span that sends the event.

        Raise StoreUnavailable (nothing was stored), OutcomeUnknown, or IdempotencyKeyReused.
        """
        if not self.store.indexes_ready:
            raise StoreUnavailable
        now = truncate_to_milliseconds(self.now())
        order_id = orders.new_id(now, self.randomness(orders.RANDOM_BYTES))
        with self.tracer.span(CREATE, "producer", traceparent, {"retail.order.id": order_id}) as context:
            record = orders.build_document(order, order_id=order_id, now=now, key=key, traceparent=context)
            crash.point("before-insert")
            try:
                self.store.insert(record)
            except DuplicateOrder:
                return self._resolve_duplicate(record, [order, sent or order])
        crash.point("after-insert")
        self.enqueue(record)
        crash.point("before-answer")
        self.metrics.placed.inc()
        return record, False

    def find_replay(self, sent: Order, key: str) -> Document | None:
        """Return the order with this user and key if it was placed by the same request, otherwise None.

        Used when the current rules reject the request: earlier rules may have accepted it. Raise StoreUnavailable.
        """
        existing = self.store.find_existing({"_id": None, "userid": sent.userid, "idempotency": {"key": key}})
        if existing is None or not _has_fingerprint_of(existing, [sent]):
            return None
        self.metrics.replayed.inc()
        return existing

    def _resolve_duplicate(self, record: Document, forms: Sequence[Order]) -> tuple[Document, bool]:
        """Return the order that exists already, and whether an earlier request placed it.

        Otherwise the first attempt of this insert has stored it. Raise StoreUnavailable, OutcomeUnknown or
        IdempotencyKeyReused.
        """
        existing, unavailable = None, StoreUnavailable()
        try:
            existing = self.store.find_existing(record)
        except StoreUnavailable as error:
            unavailable = error
        if existing is None:
            # With a key, the client can safely send the request again. Without one, the duplicate can only be this
            # insert's own first attempt, which a majority may still acknowledge.
            raise unavailable if "idempotency" in record else OutcomeUnknown(record["_id"])
        if existing["_id"] == record["_id"]:
            self.metrics.placed.inc()
            return existing, False
        if not _has_fingerprint_of(existing, forms):
            raise IdempotencyKeyReused
        self.metrics.replayed.inc()
        return existing, True


def _has_fingerprint_of(existing: Document, forms: Sequence[Order]) -> bool:
    """Return whether the fingerprint in a document is that of one of these orders."""
    return existing["idempotency"]["fingerprint"] in map(orders.fingerprint, forms)
