"""What is done with a batch of events: decode, decide, one conditional update, and the odd ones out."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from order_processor.batch import Batch, Fate, Record, by_order, by_reason
from order_processor.metrics import ProcessorMetrics
from order_processor.rules import Refused, decide
from shared.kafka import KafkaError, KafkaException
from shared.mongo import halves
from shared.ordering import events
from shared.ordering.dead_letter import DeadLetter
from shared.ordering.status import FAIL, PROCESS, Status, Transition
from shared.ordering.transitions import State
from shared.resilience.outage import is_outage
from shared.telemetry import log

Move = Callable[[Sequence[str]], int]

logger = log.get(__name__)


class Orders(Protocol):
    """What the handler needs of the store."""

    def process(self, ids: Sequence[str], *, at: datetime) -> int: ...  # noqa: D102 - said at the store
    def fail(self, ids: Sequence[str], *, at: datetime, reason: str) -> int: ...  # noqa: D102
    def states(self, ids: Collection[str]) -> dict[str, State]: ...  # noqa: D102


class DeadLetters(Protocol):
    """What the handler needs of the dead letters."""

    def send(self, letters: Sequence[DeadLetter]) -> dict[int, KafkaError]: ...  # noqa: D102


class UnknownOrder(LookupError):  # noqa: N818 - read as a state of the event
    """The event names an order that does not exist."""


class Handler:
    """Settles batches. It holds no state between calls, so that a batch can be handed in again after an outage."""

    def __init__(
        self,
        orders: Orders,
        dead_letters: DeadLetters,
        metrics: ProcessorMetrics,
        *,
        refused_items: Collection[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        decide: Callable[..., Refused | None] = decide,
    ) -> None:
        self._orders = orders
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._now = now
        self._decide = partial(decide, refused_items=refused_items)

    def handle(self, batch: Batch) -> None:
        """Settle what can be settled now: what is left in `batch.todo` is to be handed in again after a pause.

        Raise the error of an outage (`is_outage`); what was settled before it is out of `batch.todo`.
        """
        at = batch.begin(self._now())
        try:
            for record in batch.todo:
                self._judge(record)
            self._apply(PROCESS, _of(batch, Fate.PROCESS), batch.times, partial(self._orders.process, at=at))
            for reason, records in by_reason(_of(batch, Fate.FAIL)).items():
                self._apply(FAIL, records, batch.times, partial(self._orders.fail, at=at, reason=reason))
            self._bury(_of(batch, Fate.BURY))
        finally:
            batch.settle()

    def _judge(self, record: Record) -> None:
        if record.fate is not Fate.DECIDE:
            return
        message = record.message
        try:
            record.event = events.decode(message.key, message.value, message.headers)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is broken
            record.bury(error, self._now())
            return
        try:
            refused = self._decide(record.event)
        except Exception as error:  # noqa: BLE001 - a rule that breaks over one order must not stop the others
            record.blame(error, self._now())
        else:
            record.fate = Fate.FAIL if refused else Fate.PROCESS
            record.reason = refused.reason if refused else None

    def _apply(self, transition: Transition, records: list[Record], times: Collection[datetime], move: Move) -> None:
        """Move the orders of `records`: together, but each that a try has failed on alone."""
        fresh = [record for record in records if not record.attempts]
        tried = [record for record in records if record.attempts]
        for group in (fresh, *by_order(tried).values()):
            if group:
                self._together(transition, group, times, move)

    def _together(self, transition: Transition, records: list[Record], times: Collection[datetime], move: Move) -> None:
        orders = by_order(records)
        try:
            moved = move(list(orders))
        except Exception as error:
            if is_outage(error):
                raise
            if len(orders) == 1:
                for record in records:
                    record.blame(error, self._now())
                return
            for half in halves([*orders.values()]):  # so that only the guilty one counts a try
                self._together(transition, [record for group in half for record in group], times, move)
            return
        ours = [State(transition.target, at) for at in times]
        states = dict.fromkeys(orders, ours[0]) if moved == len(orders) else self._orders.states(orders)
        for order_id, group in orders.items():
            self._conclude(transition, group, states.get(order_id), ours)

    def _conclude(
        self, transition: Transition, group: list[Record], state: State | None, ours: Collection[State]
    ) -> None:
        """Settle the records of one order by the state that it is in now; PLACED means to try it again."""
        if state is None:
            for record in group:
                record.bury(UnknownOrder("there is no such order"), self._now())
        elif state.status is not Status.PLACED:
            for record in group:
                record.fate = Fate.DONE
            repeats = len(group)
            if state in ours:
                self._count(transition, group[0])
                repeats -= 1
            self._metrics.consumed.labels("duplicate").inc(repeats)

    def _count(self, transition: Transition, record: Record) -> None:
        if record.event is None:
            return
        if transition is PROCESS:
            self._metrics.consumed.labels("processed").inc()
            self._metrics.processed.inc()
            self._metrics.processing.observe(max(0.0, (self._now() - record.event.placed_at).total_seconds()))
        else:
            self._metrics.consumed.labels("failed").inc()
            self._metrics.failed.labels("error" if record.attempts else "refused").inc()
            logger.warning("order_failed", order_id=record.event.orderid, reason=record.reason)

    def _bury(self, records: list[Record]) -> None:
        if not records:
            return
        errors = self._dead_letters.send([record.letter() for record in records])
        for place, record in enumerate(records):
            if place not in errors:
                record.fate = Fate.DONE
                self._metrics.consumed.labels("dead_letter").inc()
                logger.warning("dead_letter", **_where(record))
        if errors:
            raise KafkaException(next(iter(errors.values())))


def _of(batch: Batch, fate: Fate) -> list[Record]:
    return [record for record in batch.todo if record.fate is fate]


def _where(record: Record) -> dict[str, Any]:
    message = record.message
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "order_id": record.event.orderid if record.event else None,
        "error": type(record.error).__name__,
    }
