"""Handles a batch of events: decode, decide, update the orders together, choose each message's next action."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from order_processor.batch import Batch, Disposition, Record, by_order, by_reason, describe
from order_processor.metrics import ProcessorMetrics
from order_processor.rules import Rejected, comparable, decide
from shared.kafka import KafkaError, KafkaException
from shared.ordering import events
from shared.ordering.dead_letter import DeadLetter
from shared.ordering.document import MalformedOrder
from shared.ordering.status import FAIL, PROCESS, Status, Transition
from shared.ordering.transitions import OrderTransitions, State
from shared.resilience.outage import Bisect, bisect
from shared.telemetry import log, trace_context

BulkUpdate = Callable[[Sequence[str]], int]  # changes orders by id and returns how many it changed
SendDeadLetters = Callable[[Sequence[DeadLetter]], dict[int, KafkaError]]  # see `dead_letters.DeadLetters.send`

logger = log.get(__name__)


class UnknownOrder(LookupError):  # noqa: N818 - read as a state of the event
    """The event names an order that does not exist."""


class Handler:
    """Handles batches. It keeps no state between calls, so a batch can be handled again after an outage."""

    def __init__(
        self,
        orders: OrderTransitions,
        send_dead_letters: SendDeadLetters,
        metrics: ProcessorMetrics,
        *,
        refused_items: Collection[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        decide: Callable[..., Rejected | None] = decide,
        bisect: Bisect = bisect,
    ) -> None:
        self._orders = orders
        self._send_dead_letters = send_dead_letters
        self._metrics = metrics
        self._now = now
        self._bisect = bisect
        self._decide = partial(decide, refused_items=frozenset(map(comparable, refused_items)))

    def handle(self, batch: Batch) -> None:
        """Handle what can be handled now; the rest stays in `batch.pending`, to be handled again after a pause.

        Raise the error of an outage (`is_outage`); what was done before it is no longer in `batch.pending`.
        """
        at = batch.start_attempt(self._now())
        try:
            for record in batch.pending:
                self._decide_one(record)
            self._apply(batch, PROCESS, _of(batch, Disposition.PROCESS), partial(self._orders.process, at=at))
            for reason, records in by_reason(_of(batch, Disposition.FAIL)).items():
                self._apply(batch, FAIL, records, partial(self._orders.fail, at=at, reason=reason))
            self._dead_letter(_of(batch, Disposition.DEAD_LETTER))
        finally:
            batch.discard_done()

    def _decide_one(self, record: Record) -> None:
        if record.disposition is not Disposition.DECIDE:
            return
        message = record.message
        try:
            record.event = events.decode(message.key, message.value, message.headers)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is broken
            record.dead_letter(error, self._now())
            return
        try:
            rejected = self._decide(record.event)
        except Exception as error:  # noqa: BLE001 - a rule that fails on one order must not stop the others
            record.record_failure(error, self._now())
        else:
            record.disposition = Disposition.FAIL if rejected else Disposition.PROCESS
            record.reason = rejected.reason if rejected else None

    def _apply(self, batch: Batch, transition: Transition, records: list[Record], update: BulkUpdate) -> None:
        """Update the orders of `records` together; an order on which an earlier attempt failed is updated alone."""
        ours = [State(transition.target, at) for at in batch.attempt_times]
        fresh = [record for record in records if not record.attempts]
        tried = [record for record in records if record.attempts]
        for group in (fresh, *by_order(tried).values()):
            if group:
                self._update(transition, by_order(group), ours, update)

    def _update(
        self, transition: Transition, orders: dict[str, list[Record]], ours: Collection[State], update: BulkUpdate
    ) -> None:
        def apply(ids: Sequence[str]) -> None:
            changed = update(ids)
            states = dict.fromkeys(ids, next(iter(ours))) if changed == len(ids) else self._orders.states(ids)
            for order_id in ids:
                self._resolve(transition, orders[order_id], states.get(order_id), ours)

        for order_id, error in self._bisect([*orders], apply):
            for record in orders[order_id]:
                record.record_failure(error, self._now())

    def _resolve(
        self, transition: Transition, group: list[Record], state: State | None, ours: Collection[State]
    ) -> None:
        """Set the next action for the records of one order by the order's state; while it is PLACED, retry them."""
        if state is None:
            for record in group:
                record.dead_letter(UnknownOrder("there is no such order"), self._now())
        elif state.status is None:
            for record in group:
                error = MalformedOrder(record.event and record.event.orderid, "the order has no known status")
                record.record_failure(error, self._now())
        elif state.status is not Status.PLACED:
            for record in group:
                record.disposition, record.result = Disposition.DONE, "duplicate"
            if state in ours:
                self._count(transition, group[0])
                if transition is FAIL and group[0].error:  # a technical failure: a dead letter records the cause
                    group[0].disposition = Disposition.DEAD_LETTER
            if duplicates := sum(record.result == "duplicate" for record in group):
                self._metrics.consumed["duplicate"].inc(duplicates)

    def _count(self, transition: Transition, record: Record) -> None:
        if record.event is None:
            return
        record.result = "processed" if transition is PROCESS else "failed"
        self._metrics.consumed[record.result].inc()
        if transition is PROCESS:
            self._metrics.processed.inc()
            seconds = max(0.0, (self._now() - record.event.placed_at).total_seconds())
            self._metrics.processing.observe(seconds, trace_context.exemplar(record.traceparent))
        else:
            self._metrics.failed["error" if record.attempts else "refused"].inc()
            cause = describe(record.error) if record.error else None
            order = {"order_id": record.event.orderid} | trace_context.log_field(record.traceparent)
            logger.warning("order_failed", **order, reason=record.reason, cause=cause)

    def _dead_letter(self, records: list[Record]) -> None:
        if not records:
            return
        errors = self._send_dead_letters([record.to_dead_letter() for record in records])
        for index, record in enumerate(records):
            if index not in errors:
                record.disposition = Disposition.DONE
                if record.result is None:  # else the message was already counted as failed
                    record.result = "dead_letter"
                    self._metrics.consumed[record.result].inc()
                logger.warning("dead_letter", **_log_fields(record))
        if errors:
            raise KafkaException(next(iter(errors.values())))


def _of(batch: Batch, disposition: Disposition) -> list[Record]:
    return [record for record in batch.pending if record.disposition is disposition]


def _log_fields(record: Record) -> dict[str, Any]:
    message = record.message
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "order_id": record.event.orderid if record.event else None,
        "error": type(record.error).__name__,
    } | trace_context.log_field(record.traceparent)
