"""The publisher: one thread per process that brings events to Kafka, and takes away the markers of those delivered."""

import os
import queue
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from random import random

from order_api.orders import Document
from order_api.publisher import Delivery, Sent
from order_api.store import StoreUnavailable
from order_api.sweep import BATCH, Outbox, sweep
from shared.resilience import crash
from shared.telemetry import log
from shared.telemetry.metrics import OrderMetrics

QUEUE_LIMIT = 10_000
MARKER_SECONDS = 0.05  # the longest wait for an event, and the time between two removals of markers
SWEEP_SECONDS = 1.0
GAUGE_SECONDS = 5.0
FLUSH_SECONDS = 10.0
DEFECT_SECONDS = 1.0
logger = log.get(__name__)


class Publisher:
    """Publishes events from a bounded queue (the fast path) and from the sweep.

    `offer` is for any thread; `step` is one round of the loop, and belongs to the thread that `start` makes, or to a
    test. All belongs to the process that made it: librdkafka's threads do not survive a fork.
    """

    def __init__(
        self,
        outbox: Outbox,
        delivery: Delivery,
        *,
        metrics: OrderMetrics,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random,
        new_claim: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """`clock` is monotonic, in seconds; `jitter` returns 0 to 1."""
        self._outbox = outbox
        self._delivery = delivery
        self._metrics = metrics
        self._clock = clock
        self._jitter = jitter
        self._new_claim = new_claim
        self._queue: queue.Queue[Document] = queue.Queue(QUEUE_LIMIT)
        self._published: list[str] = []
        self._next_removal = self._next_sweep = self._next_gauges = 0.0
        self._last_step = clock()
        self._pid = os.getpid()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def offer(self, record: Document) -> None:
        """Take the event of an order that is safe in the database, without waiting.

        Where there is no room, or the process is a forked child, it is left: the marker stands, the sweep publishes.
        """
        if os.getpid() == self._pid:
            with suppress(queue.Full):
                self._queue.put_nowait(record)

    @property
    def age(self) -> float:
        """Seconds since the loop's last round ended."""
        return self._clock() - self._last_step

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Publish what is queued (10 s at most), remove the markers of what was delivered, and end the thread."""
        self._stopping.set()
        self._thread.join(timeout=FLUSH_SECONDS + 5)

    def step(self, wait: float = 0.0) -> None:
        """Do one round: publish what is queued (waiting up to `wait` seconds for it), take reports, sweep."""
        if os.getpid() != self._pid:
            raise RuntimeError("the publisher belongs to the process that made it, not to its forked child")
        self._send_queued(wait)
        self._delivery.serve()
        self._settle()
        if self._clock() >= self._next_sweep:
            self._sweep()
        if self._clock() >= self._next_gauges:
            self._show_backlog()
        self._last_step = self._clock()

    def finish(self, timeout: float = FLUSH_SECONDS) -> None:
        """Publish what is queued, wait up to `timeout` seconds for the reports, remove the markers."""
        while not self._queue.empty():
            self._send_queued(0)
            self._delivery.serve()
        self._delivery.close(timeout)
        self._settle(at_once=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.step(MARKER_SECONDS)
            except Exception:
                logger.exception("outbox_relay_failed")
                self._stopping.wait(DEFECT_SECONDS)
        try:
            self.finish()
        except Exception:
            logger.exception("outbox_relay_drain_failed")

    def _send_queued(self, wait: float) -> None:
        try:
            record = self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
            for _ in range(BATCH):
                self._delivery.send(record)
                record = self._queue.get_nowait()
            self._delivery.send(record)
        except queue.Empty:
            return

    def _settle(self, *, at_once: bool = False) -> None:
        """Remove the markers of what is delivered, and give back what the sweep claimed in vain."""
        self._published += [sent.order_id for sent in self._delivery.take_delivered()]
        self._release([sent for sent in self._delivery.take_failed() if sent.claim])
        if self._published and (at_once or len(self._published) >= BATCH or self._clock() >= self._next_removal):
            self._remove_markers()

    def _remove_markers(self) -> None:
        self._next_removal = self._clock() + MARKER_SECONDS
        crash.point("before-removal")
        try:
            while self._published:
                self._outbox.remove(self._published[:BATCH])
                crash.point("after-removal")
                del self._published[:BATCH]
        except StoreUnavailable as error:
            self._next_removal = self._clock() + error.retry_after
            del self._published[:-QUEUE_LIMIT]  # the sweep publishes those once more

    def _release(self, failed: list[Sent]) -> None:
        if not failed:
            return
        try:
            self._outbox.release([s.order_id for s in failed], [*{s.claim for s in failed if s.claim}], self._jitter())
        except StoreUnavailable:
            return  # the claims end by themselves

    def _sweep(self) -> None:
        """Publish what is due; a full batch is followed by the next one at once."""
        self._next_sweep = self._clock() + SWEEP_SECONDS * (1 + self._jitter() / 10)
        limit = min(BATCH, self._delivery.room)
        if not limit:
            return
        claim = self._new_claim()
        try:
            claimed = sweep(self._outbox, claim=claim, limit=limit)
        except StoreUnavailable as error:
            self._next_sweep = self._clock() + error.retry_after
            return
        for record in claimed:
            self._delivery.send(record, claim)
        if len(claimed) == BATCH:
            self._next_sweep = self._clock()

    def _show_backlog(self) -> None:
        self._next_gauges = self._clock() + GAUGE_SECONDS
        try:
            backlog = self._outbox.backlog()
        except StoreUnavailable:
            return  # the last figures stand
        self._metrics.retail_outbox_pending_orders.set(backlog.pending)
        self._metrics.outbox_oldest.set(backlog.oldest_seconds)
