"""The outbox relay: one thread per process that publishes events and removes the entries of delivered events."""

import os
import queue
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from random import random

from order_api.orders import Document
from order_api.outbox import BATCH, Outbox
from order_api.publisher import EventPublisher, Sent
from order_api.removal import EntryRemoval
from shared.kafka import PRODUCER_QUEUE
from shared.resilience.backoff import Backoff
from shared.resilience.worker import Worker
from shared.store import StoreUnavailable
from shared.telemetry import log

QUEUE_LIMIT = 10_000
WAIT_SECONDS = 0.05  # the longest wait for a queued event in one run
IN_FLIGHT_LIMIT = PRODUCER_QUEUE // 2  # sweeps leave the other half of the producer's queue to the fast path
SWEEP_SECONDS = 1.0
# While orders arrive, sweeps are smaller, and each is followed by a pause of so many times its duration (1 s at most):
# otherwise every new order waits for the interpreter, and in MongoDB, for those of 500 others.
SMALL_BATCH = 50
PAUSE_FACTOR = 4
ARRIVAL_SECONDS = 1.0  # orders are said to arrive for this long after an event of the fast path
FLUSH_SECONDS = 10.0
ERROR_PAUSE_SECONDS = 1.0
logger = log.get(__name__)


class OutboxRelay:
    """Publishes events from a bounded queue (the fast path) and from the sweep.

    `enqueue` is for any thread. `run_once` belongs to the thread that `start` creates, or to a test. The relay belongs
    to the process that created it: librdkafka's threads do not survive a fork.
    """

    def __init__(
        self,
        outbox: Outbox,
        publisher: EventPublisher,
        removal: EntryRemoval,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random,
        new_claim: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """`clock` is monotonic, in seconds; `jitter` returns a number from 0 to 1."""
        self._outbox = outbox
        self._publisher = publisher
        self._removal = removal
        self._clock = clock
        self._jitter = jitter
        self._new_claim = new_claim
        self._queue: queue.Queue[Document] = queue.Queue(QUEUE_LIMIT)
        self._next_sweep = 0.0
        self._arriving_until = 0.0
        self._lost_sweeps = 0  # in a row
        self._backoff = Backoff(first=WAIT_SECONDS, longest=SWEEP_SECONDS, jitter=jitter)
        self._last_run = clock()
        self._pid = os.getpid()
        self._worker = Worker("outbox-relay", self._run)

    def enqueue(self, record: Document) -> None:
        """Queue the event of a stored order, without waiting.

        If the queue is full or this is a forked child, the event is not queued: the sweep publishes it later.
        """
        if os.getpid() == self._pid:
            with suppress(queue.Full):
                self._queue.put_nowait(record)

    def queue_length(self) -> int:
        """Return how many events are queued; for any thread."""
        return self._queue.qsize()

    @property
    def seconds_since_last_run(self) -> float:
        """Seconds since `run_once` last returned."""
        return self._clock() - self._last_run

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def close(self) -> None:
        """Publish what is queued (10 s at most), remove the entries of delivered events, and stop the thread."""
        self._worker.close(timeout=FLUSH_SECONDS + 5)

    def run_once(self, wait: float = 0.0) -> None:
        """Publish queued events, process delivery reports, sweep if due.

        Wait up to `wait` seconds for the first queued event, but not beyond the time of the next sweep.
        """
        if os.getpid() != self._pid:
            raise RuntimeError("the outbox relay belongs to the process that created it, not to a forked child")
        self._publish_queued(min(wait, max(0.0, self._next_sweep - self._clock())))
        self._publisher.poll()
        self._process_delivery_reports()
        self._fail_unpublishable()
        if self._clock() >= self._next_sweep:
            self._sweep()
        self._last_run = self._clock()

    def drain(self, timeout: float = FLUSH_SECONDS) -> None:
        """Publish what is queued, wait up to `timeout` seconds for reports, remove the entries of delivered events."""
        while not self._queue.empty():
            self._publish_queued(0)
            self._publisher.poll()
        self._publisher.close(timeout)
        self._process_delivery_reports(is_last=True)

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            try:
                self.run_once(WAIT_SECONDS)
            except Exception:
                logger.exception("outbox_relay_failed")
                self._worker.stopping.wait(ERROR_PAUSE_SECONDS)
        try:
            self.drain()
        except Exception:
            logger.exception("outbox_relay_drain_failed")

    def _publish_queued(self, wait: float) -> None:
        try:
            record = self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
            self._arriving_until = self._clock() + ARRIVAL_SECONDS
            for _ in range(BATCH):
                self._publisher.publish(record)
                record = self._queue.get_nowait()
            self._publisher.publish(record)
        except queue.Empty:
            return

    def _process_delivery_reports(self, *, is_last: bool = False) -> None:
        """Pass delivered events to the removal and run it; release the claims of events that failed."""
        self._removal.add(self._publisher.pop_delivered())
        self._release([sent for sent in self._publisher.pop_failed() if sent.claim])
        self._removal.run(is_last=is_last)

    def _fail_unpublishable(self) -> None:
        for record in self._publisher.pop_unpublishable():
            with suppress(StoreUnavailable):  # a later sweep finds the order again
                self._outbox.record_failure(record["_id"])

    def _release(self, failed: list[Sent]) -> None:
        if not failed:
            return
        try:
            self._outbox.release([s.order_id for s in failed], [*{s.claim for s in failed if s.claim}], self._jitter())
        except StoreUnavailable:
            return  # the orders become due again when their claims expire

    def _sweep(self) -> None:
        """Publish the events of due orders. After a full batch, the next sweep follows at once, or after a pause.

        After a batch that another replica claimed first, it follows after a back-off of 50 ms to a second.
        While Kafka confirms more slowly than orders are found, wait for its reports.
        """
        began = self._clock()
        batch, pause_factor = (SMALL_BATCH, PAUSE_FACTOR) if began < self._arriving_until else (BATCH, 0)
        if self._publisher.swept_in_flight + batch > IN_FLIGHT_LIMIT:
            self._next_sweep = began + WAIT_SECONDS
            return
        self._next_sweep = began + SWEEP_SECONDS * (1 + self._jitter() / 10)
        limit = min(batch, self._publisher.capacity)
        if not limit:
            return
        claim = self._new_claim()
        try:
            claimed = self._outbox.sweep(claim=claim, limit=limit)
        except StoreUnavailable as error:
            self._next_sweep = self._clock() + error.retry_after
            return
        for record in claimed:
            self._publisher.publish(record, claim)
        ended = self._clock()
        pause = min(pause_factor * (ended - began), SWEEP_SECONDS)
        is_full = len(claimed) == batch
        is_lost = not is_full and limit == batch and self._outbox.others_wait  # another replica has claimed these
        self._lost_sweeps = self._lost_sweeps + 1 if is_lost else 0
        if is_lost:
            pause = max(pause, self._backoff.pause(self._lost_sweeps))
        if is_full or is_lost:
            self._next_sweep = ended + pause
