"""The thread beside the loop: every few seconds the lag is read, and reconciliation takes a step."""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from random import random

from order_processor.handler import is_outage
from order_processor.message import Partition
from order_processor.reconcile import Log, Outcome, Reading, Reconciler
from shared import log
from shared.events import TOPIC
from shared.metrics import ProcessorMetrics

FIRST_PAUSE_SECONDS = 0.2
STALLS = 3
STALLED_SECONDS = 20.0  # looks follow each other quickly while MongoDB is away

logger = log.get(__name__)


class Watch:
    """Runs in a thread of its own from `start` to `stop`. After a failure it comes back sooner: 0.2 s, doubling.

    `held` are the loop's partitions; `activity` is a number that grows while the loop has events.
    """

    def __init__(
        self,
        log: Log,
        reconciler: Reconciler,
        metrics: ProcessorMetrics,
        *,
        held: Callable[[], Collection[Partition]],
        activity: Callable[[], int],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._reconciler = reconciler
        self._metrics = metrics
        self._held = held
        self._activity = activity
        self._last_activity = 0
        self._stalls = 0
        self._stalled_since = 0.0
        self._clock = clock
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
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

    @property
    def is_stuck(self) -> bool:
        """True when events have waited over three looks and 20 s, and the consumer, which holds them, brings none.

        librdkafka 2.16 can end so when the topic is made anew; only a new client helps.
        """
        return self._stalls >= STALLS and self._clock() - self._stalled_since >= STALLED_SECONDS

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            well = self._lag() & self._reconcile()
            failures = 0 if well else failures + 1
            pause = self._seconds if well else min(self._seconds, FIRST_PAUSE_SECONDS * 2 ** min(failures, 10))
            self._stop.wait(pause * (0.75 + random() / 4))  # noqa: S311 - jitter

    def _lag(self) -> bool:
        try:
            reading = self._log.read()
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever happens
            self.is_connected = False
            self._stalls = 0
            _tell("offsets_unknown", error)
            return False
        self.is_connected = True
        held, activity = self._held(), self._activity()
        show_lag(reading, held, self._metrics)
        lags = any(offsets.lag for partition, offsets in reading.items() if (TOPIC, partition) in held)
        self._stalls = self._stalls + 1 if lags and activity == self._last_activity else 0
        self._last_activity = activity
        if self._stalls == 1:
            self._stalled_since = self._clock()
        return True

    def _reconcile(self) -> bool:
        try:
            outcome = self._reconciler.step()
        except Exception as error:  # noqa: BLE001 - the same
            _tell("reconciliation_failed", error)
            return False
        if outcome is Outcome.ANEW:
            logger.warning("log_shorter_than_before")
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
