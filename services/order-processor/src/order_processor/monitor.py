"""The thread beside the loop: every few seconds the lag is read, and reconciliation takes a step."""

import threading
from collections.abc import Collection
from contextlib import suppress
from random import random
from typing import Protocol

from order_processor.metrics import ProcessorMetrics
from order_processor.stuck_detector import Progress
from shared.kafka_message import Partition
from shared.ordering.events import TOPIC
from shared.ordering.offsets import Reading
from shared.ordering.reconcile import OffsetReader, Outcome, Reconciler
from shared.resilience.outage import is_outage
from shared.telemetry import log

FIRST_PAUSE_SECONDS = 0.2

logger = log.get(__name__)


class Consumer(Protocol):
    """What is watched, see `consumer.Loop`."""

    @property
    def held(self) -> Collection[Partition]: ...  # noqa: D102 - said at the loop
    @property
    def is_busy(self) -> bool: ...  # noqa: D102


class Watch:
    """Runs in a thread of its own from `start` to `stop`. After a failure it comes back sooner: 0.2 s, doubling."""

    def __init__(
        self,
        offsets: OffsetReader,
        reconciler: Reconciler,
        metrics: ProcessorMetrics,
        progress: Progress,
        *,
        consumer: Consumer,
        seconds: float,
    ) -> None:
        self._offsets = offsets
        self._reconciler = reconciler
        self._metrics = metrics
        self._progress = progress
        self._consumer = consumer
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._reconciles = True
        self.is_connected = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    def join(self, seconds: float = 5.0) -> bool:
        """Wait for the call in progress; tell whether it has ended. Until it has, its clients must not be closed."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._reconciles = self._reconcile()
            well = self._lag() and self._reconciles
            failures = 0 if well else failures + 1
            pause = self._seconds if well else min(self._seconds, FIRST_PAUSE_SECONDS * 2 ** min(failures, 10))
            self._stop.wait(pause * (0.75 + random() / 4))  # noqa: S311 - jitter

    def _lag(self) -> bool:
        try:
            reading = self._offsets.read()
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever happens
            self.is_connected = False
            self._progress.forget()
            _tell("offset_read_failed", error)
            return False
        self.is_connected = True
        held = self._consumer.held
        show_lag(reading, held, self._metrics)
        self._progress.observe(reading, held, is_busy=self._consumer.is_busy or not self._reconciles)
        return True

    def _reconcile(self) -> bool:
        try:
            outcome = self._reconciler.step()
        except Exception as error:  # noqa: BLE001 - the same
            _tell("reconciliation_failed", error)
            return False
        if outcome is Outcome.RESTARTED:
            logger.warning("topic_truncated")
        return True


def show_lag(reading: Reading, held: Collection[Partition], metrics: ProcessorMetrics) -> None:
    """Show for each partition that is held here how many events are not handled yet; forget those of others."""
    for partition, offsets in reading.items():
        if (TOPIC, partition) in held:
            metrics.lag.labels(TOPIC, partition).set(offsets.lag)
        else:
            with suppress(KeyError):
                metrics.lag.remove(TOPIC, partition)


def _tell(event: str, error: Exception) -> None:
    if is_outage(error):
        logger.warning(event, error=type(error).__name__, detail=str(error)[:300])
    else:
        logger.error(event, exc_info=error)
