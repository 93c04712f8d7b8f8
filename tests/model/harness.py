"""Runs the real relay, handler and reconciliation on fakes of MongoDB and Kafka, in a single thread.

At each call of a dependency a planned incident may happen first: the call fails, the primary changes, another process
runs, or the calling process is killed.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pymongo.errors import PyMongoError

from fakes.kafka_log import FakeTopic
from fakes.replica_set import Failure, ReplicaSet
from model.processes import Api, Environment, Operator, Processor
from order_api.models import OrderItem
from order_api.orders import Order, new_id
from order_api.placement import IdempotencyKeyReused
from shared.kafka import KafkaError, KafkaException
from shared.ordering.events import DEAD_LETTER_TOPIC, TOPIC
from shared.ordering.money import Amount
from shared.resilience.breaker import CircuitOpen
from shared.store import OutcomeUnknown, StoreUnavailable

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = "alice"
LONGEST_HEALING = 2000.0


class Killed(BaseException):
    """Raised where a process is killed, as with kill -9."""


@dataclass
class Request:
    """A client's request and the responses to it."""

    order: Order
    key: str | None
    is_rejected: bool = False  # its key was already used for another order
    tried: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    unavailable: set[str] = field(default_factory=set)  # only without `key`: the ids that were answered as unavailable

    @property
    def is_settled(self) -> bool:
        """Return whether the client stops retrying."""
        return self.key is None or bool(self.answered) or self.is_rejected


def make_order(item: str, cents: int) -> Order:
    """Return an order with one item."""
    return Order(OWNER, Amount(cents), "USD", (OrderItem(item),))


class HistoryHarness:
    """Two processes each of order-api and order-processor, their dependencies, and requests with their responses."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seconds = 0.0
        self.servers = ReplicaSet(self.now)
        self.servers.before_operation = self._before_operation
        self.servers.on_majority_wait = lambda: self._run_planned_incident() and None
        self.topic = FakeTopic(TOPIC)
        self.topic.on_call = lambda _: self._run_planned_incident() and None
        self.topics = {TOPIC: self.topic, DEAD_LETTER_TOPIC: FakeTopic(DEAD_LETTER_TOPIC, 1)}
        self.produce_error: Exception | None = None
        self.plan: deque[Callable[[], Failure | None]] = deque()
        self.requests: list[Request] = []
        self.rejected_orders: set[str] = set()  # ids of orders whose changes were ever rejected
        self._is_mongodb_down = False
        self._active: list[str] = []
        self._placing: dict[str, Request] = {}  # the request that each actor is sending
        self._tries: dict[str, str] = {}  # the last order id that each actor tried
        self.environment = Environment(
            servers=self.servers,
            topics=self.topics,
            clock=self.clock,
            now=self.now,
            random=self.random,
            draw_bytes=self.draw_bytes,
            produce_error=lambda: self.produce_error,
        )
        self.apis = [Api(self.environment), Api(self.environment)]
        self.processors = [Processor(self.environment), Processor(self.environment)]
        self._operator = Operator(self.environment)

    def clock(self) -> float:
        """Return the monotonic clock of every process, in seconds."""
        return self.seconds

    def now(self) -> datetime:
        """Return the wall clock of every process, in whole milliseconds."""
        return BEGINNING + timedelta(milliseconds=round(self.seconds * 1000))

    def draw_bytes(self, count: int) -> bytes:
        """Return random bytes for an order id, and remember which actor uses that id."""
        drawn, actor = self.random.randbytes(count), self._active[-1]
        self._tries[actor] = new_id(self.now(), drawn)
        self._placing[actor].tried.add(self._tries[actor])
        return drawn

    def place(self, number: int, request: Request) -> None:
        """Send a client's request to replica `number`, and record the response."""

        def work() -> None:
            self._placing[actor] = request
            try:
                record, _ = self.apis[number].placement.place(request.order, key=request.key, traceparent=None)
            except OutcomeUnknown:
                return
            except IdempotencyKeyReused:
                request.is_rejected = True
            except StoreUnavailable:
                if request.key is None and actor in self._tries:
                    request.unavailable.add(self._tries[actor])
            else:
                request.answered.add(record["_id"])
            finally:
                self._tries.pop(actor, None)

        actor = f"request {number}"
        self._run(actor, work)

    def publish(self, number: int) -> None:
        """Run one round of the relay of order-api `number`."""
        self._run(f"publisher {number}", self.apis[number].publish)

    def consume(self, number: int) -> None:
        """Run one poll of the consumer of order-processor `number`."""
        self._run(f"consumer {number}", self.processors[number].consumer.poll_once)

    def reconcile(self, number: int) -> None:
        """Run one step of a reconciler; ignore errors of an outage, as the reconciler's thread survives them."""

        def work() -> None:
            try:
                self.processors[number].reconciler.step()
            except (PyMongoError, CircuitOpen, KafkaException):
                return

        self._run(f"reconciler {number}", work)

    def redrive(self) -> None:
        """Redrive every FAILED order, as the operator does."""
        self._run("operator", self._operator.redrive)

    def include(self) -> None:
        """Include every excluded order, as the operator does."""
        self._run("operator", self._operator.include)

    def kill_api(self, number: int) -> None:
        """Kill a replica of order-api, so that its pending events are lost, and start a new replica."""
        self.apis[number] = Api(self.environment)

    def kill_processor(self, number: int) -> None:
        """Kill an order-processor, so that the group reassigns its partitions, and start a new one."""
        self.topic.leave(self.processors[number].client)
        self.processors[number] = Processor(self.environment)

    def corrupt_events(self) -> None:
        """Make the oldest pending event of each order-api replica undecodable."""
        for api in self.apis:
            api.producer.corrupt()

    @contextmanager
    def mongodb_down(self) -> Iterator[None]:
        """While the context lasts, no MongoDB operation finds a primary."""
        self._is_mongodb_down = True
        yield
        self._is_mongodb_down = False

    @contextmanager
    def brokers_down(self) -> Iterator[None]:
        """While the context lasts, `produce` fails at once, as for a deleted topic; commits and offset reads fail."""
        self.topic.error = KafkaError(KafkaError._TRANSPORT)
        self.produce_error = KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))
        yield
        self.topic.error = self.produce_error = None

    def toggle_rejection(self, which: int, *, is_excludable: bool = False) -> None:
        """Toggle whether MongoDB rejects changes of order `which` (0: the newest): all, or all except its exclusion."""
        rejected = self.servers.excludable_ids if is_excludable else self.servers.rejected_ids
        ids = [*self.servers.primary]
        if ids:
            rejected ^= {ids[-1 - which % len(ids)]}
            self.rejected_orders |= rejected

    def heal(self) -> float:
        """Remove all faults and run every process until no work is left; return the simulated seconds it took."""
        self.plan.clear()
        self.servers.rejected_ids.clear()
        self.servers.excludable_ids.clear()
        while self.servers.late:
            self.servers.apply_late_operation()
        for producer in [producer for processor in self.processors for producer in processor.dead_letter_producers]:
            producer.flush(0)
        healed = self.seconds
        while not self._is_done() and self.seconds < healed + LONGEST_HEALING:
            self._work()
            self.seconds += 5
        return self.seconds - healed

    def _work(self) -> None:
        self.servers.replicate()
        self.include()
        for number, api in enumerate(self.apis):
            self.publish(number)
            while api.producer.pending:
                api.producer.deliver()
            self.publish(number)
        for number in range(len(self.processors)):
            self.consume(number)
            self.reconcile(number)
        for request in self.requests:
            if not request.is_settled:
                self.place(0, request)

    def _is_done(self) -> bool:
        orders = self.servers.primary.values()
        is_at_end = all(order["status"] != "PLACED" and "outbox" not in order for order in orders)
        return is_at_end and all(request.is_settled for request in self.requests)

    def _run(self, actor: str, work: Callable[[], None]) -> None:
        if actor in self._active:
            return
        self._active.append(actor)
        try:
            work()
        except Killed:
            kind, _, number = actor.partition(" ")
            if kind in ("request", "publisher"):
                self.kill_api(int(number))
            elif kind in ("consumer", "reconciler"):
                self.kill_processor(int(number))
        finally:
            self._active.remove(actor)

    def _before_operation(self, _: str) -> Failure | None:
        failure = self._run_planned_incident()
        return Failure.NO_PRIMARY if self._is_mongodb_down else failure

    def _run_planned_incident(self) -> Failure | None:
        return self.plan.popleft()() if self.plan else None
