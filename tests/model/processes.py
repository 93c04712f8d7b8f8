"""The processes of order-api and order-processor on fakes, wired as in their main functions."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest import mock

from prometheus_client import CollectorRegistry
from pymongo.errors import PyMongoError

from fakes.kafka_log import FakeConsumer, FakeTopic
from fakes.kafka_producer import FakeProducer
from fakes.mongo_client import FakeDatabase
from fakes.replica_set import ReplicaSet
from order_api.metrics import OrderMetrics
from order_api.outbox import Outbox
from order_api.placement import OrderPlacement
from order_api.publisher import EventPublisher
from order_api.relay import OutboxRelay
from order_api.removal import EntryRemoval
from order_api.store import OrderStore
from order_processor.consumer import Consumer
from order_processor.dead_letters import DeadLetters
from order_processor.handler import Handler
from order_processor.metrics import ProcessorMetrics
from order_processor.offset_committer import OffsetCommitter
from retail_cli.including import include
from retail_cli.redriving import redrive
from retail_cli.store import OrderReader
from shared import mongo
from shared.ordering import outbox_entry
from shared.ordering.events import TOPIC
from shared.ordering.reconcile import Reconciler
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker, CircuitOpen
from shared.telemetry.metrics import BreakerMetrics

REFUSED_ITEM = "a refused item"
_registry = CollectorRegistry()
_breaker_metrics = BreakerMetrics(_registry)
_order_metrics = OrderMetrics(_registry)
_processor_metrics = ProcessorMetrics(_registry)


@dataclass(frozen=True)
class Environment:
    """The dependencies of a process: servers, topics, clocks and randomness."""

    servers: ReplicaSet
    topics: dict[str, FakeTopic]
    clock: Callable[[], float]
    now: Callable[[], datetime]
    random: random.Random
    draw_bytes: Callable[[int], bytes]
    produce_error: Callable[[], Exception | None]

    def new_producer(self, *, delivers_on_flush: bool) -> FakeProducer:
        """Return a producer whose `produce` fails while an outage of Kafka lasts."""
        producer = FakeProducer(self.topics, delivers_on_flush=delivers_on_flush)
        producer.produce_error = self.produce_error
        return producer


class Operator:
    """The operator's commands. An outage ends a command early, without an error."""

    def __init__(self, environment: Environment) -> None:
        database: Any = FakeDatabase(environment.servers)
        breaker = Breaker("operator", _breaker_metrics, is_failure=mongo.is_failure, clock=environment.clock)
        self._servers = environment.servers
        self._orders = OrderTransitions(database, breaker)
        self._reader = OrderReader(database)
        self.now = environment.now

    def redrive(self) -> None:
        """Redrive every FAILED order."""
        ids = self._find({"status": "FAILED"})
        with suppress(PyMongoError, CircuitOpen):
            list(redrive(self, self._orders, ids, by="operator", reason="fixed", dry_run=False))

    def include(self) -> None:
        """Include every excluded order."""
        with suppress(PyMongoError, CircuitOpen):
            list(include(self._reader, self._orders, self._find(outbox_entry.EXCLUDED), dry_run=False))

    def _find(self, query: dict[str, Any]) -> list[str]:
        return [order["_id"] for order in self._servers.find(query, local=False)]


class Api:
    """One order-api process."""

    def __init__(self, environment: Environment) -> None:
        breaker = Breaker("mongodb", _breaker_metrics, is_failure=mongo.is_failure, clock=environment.clock)
        database: Any = FakeDatabase(environment.servers)
        self.producers: list[FakeProducer] = []

        def make_producer(_: Callable[[Any], None]) -> Any:
            self.producers.append(environment.new_producer(delivers_on_flush=False))
            return self.producers[-1]

        publisher = EventPublisher(
            make_producer,
            breaker=Breaker("kafka", _breaker_metrics, bursts_open=True, clock=environment.clock),
            metrics=_order_metrics,
            clock=environment.clock,
            jitter=environment.random.random,
        )
        self.store = OrderStore(database, breaker, breaker)
        self.store.prepare()
        outbox = Outbox(database, breaker, choose=lambda _: 0)
        self.relay = OutboxRelay(
            outbox,
            publisher,
            EntryRemoval(outbox, clock=environment.clock, now=environment.now),
            clock=environment.clock,
            jitter=environment.random.random,
            new_claim=lambda: environment.random.randbytes(8).hex(),
        )
        self.placement = OrderPlacement(
            self.store, self.relay.enqueue, _order_metrics, environment.now, environment.draw_bytes
        )
        self._is_forked = False

    def fork(self) -> None:
        """Behave as in a forked child: with another process id, and without the Kafka client's threads."""
        self.producer.fork()
        self._is_forked = True

    def publish(self) -> None:
        """Run the relay once. In a forked child its RuntimeError is suppressed, as the thread would survive it."""
        if not self._is_forked:
            self.relay.run_once()
            return
        with mock.patch("os.getpid", return_value=0), suppress(RuntimeError):
            self.relay.run_once()

    @property
    def producer(self) -> FakeProducer:
        return self.producers[-1]


class Processor:
    """One order-processor process."""

    def __init__(self, environment: Environment) -> None:
        breaker = Breaker("mongodb", _breaker_metrics, is_failure=mongo.is_failure, clock=environment.clock)
        anything: Any = FakeDatabase(environment.servers)
        orders = OrderTransitions(anything, breaker)
        self.dead_letter_producers: list[FakeProducer] = []

        def make_producer() -> Any:
            self.dead_letter_producers.append(environment.new_producer(delivers_on_flush=True))
            return self.dead_letter_producers[-1]

        dead_letters = DeadLetters(make_producer)
        handler = Handler(
            orders, dead_letters.send, _processor_metrics, refused_items={REFUSED_ITEM}, now=environment.now
        )
        topic = environment.topics[TOPIC]
        committer = OffsetCommitter(clock=environment.clock)
        self.client = FakeConsumer(topic, committer.on_commit)
        self.consumer = Consumer(
            self.client,
            handler.handle,
            committer,
            incremental=True,
            clock=environment.clock,
            jitter=environment.random.random,
        )
        self.consumer.subscribe()
        self.reconciler = Reconciler(orders, topic, clock=environment.clock)
