"""A second thread next to the consumer: every few seconds it reads the lag and runs a step of reconciliation."""

from collections.abc import Collection
from random import random

from order_processor.consumer import Consumer
from order_processor.metrics import ProcessorMetrics
from order_processor.stuck_detector import StuckDetector
from shared.kafka import KafkaException
from shared.kafka_message import Partition
from shared.ordering.events import TOPIC
from shared.ordering.offsets import Reading
from shared.ordering.reconcile import OffsetReader, Outcome, Reconciler
from shared.resilience.backoff import Backoff
from shared.resilience.outage import is_outage
from shared.resilience.worker import Worker
from shared.telemetry import log

FIRST_PAUSE_SECONDS = 0.4

logger = log.get(__name__)


class Monitor(Worker):
    """Runs every `seconds`, from `start` to `close`; retries after a failure: after 0.4 s, doubling up to `seconds`."""

    def __init__(
        self,
        offsets: OffsetReader,
        reconciler: Reconciler,
        metrics: ProcessorMetrics,
        stuck_detector: StuckDetector,
        *,
        consumer: Consumer,
        dead_letters: OffsetReader,
        seconds: float,
    ) -> None:
        super().__init__("monitor", self._run)
        self._offsets = offsets
        self._reconciler = reconciler
        self._metrics = metrics
        self._stuck_detector = stuck_detector
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._log_throttle = log.LogThrottle()
        self._seconds = seconds
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, seconds)
        self._reconciles = True
        self.is_connected = False

    def _run(self) -> None:
        failures = 0
        while not self.stopping.is_set():
            self._reconciles = self._reconcile()
            if self._observe() and self._reconciles:
                failures = 0
                pause = self._seconds * (1 - random() / 4)  # noqa: S311 - jitter
            else:
                failures += 1
                pause = self._backoff.pause(failures)
            self.stopping.wait(pause)

    def _observe(self) -> bool:
        try:
            reading = self._offsets.read()
        except Exception as error:  # noqa: BLE001 - the thread survives every error
            self.is_connected = False
            self._metrics.lag.clear()
            self._metrics.dead_letters_waiting.clear()
            self._stuck_detector.reset()
            _log_failure("offset_read_failed", error)
            return False
        self.is_connected = True
        assigned = self._consumer.assigned
        show_lag(reading, assigned, self._metrics)
        self._stuck_detector.observe(reading, assigned, is_busy=self._consumer.is_busy or not self._reconciles)
        self._count_dead_letters()
        return True

    def _count_dead_letters(self) -> None:
        try:
            waiting = sum(offsets.lag for offsets in self._dead_letters.read().values())
        except Exception as error:  # noqa: BLE001 - the thread survives every error
            self._metrics.dead_letters_waiting.clear()
            self._log_throttle.log(logger.warning, "dead_letters_unreadable", error=str(error)[:300])
        else:
            self._metrics.dead_letters_waiting.set(waiting)

    def _reconcile(self) -> bool:
        try:
            outcome = self._reconciler.step()
        except Exception as error:  # noqa: BLE001 - the thread survives every error
            if not isinstance(error, KafkaException):  # the count comes from MongoDB: Kafka's errors do not affect it
                self._metrics.stuck.clear()
            _log_failure("reconciliation_failed", error)
            return False
        if outcome is Outcome.RESTARTED:
            logger.warning("topic_truncated")
        return True


def show_lag(reading: Reading, assigned: Collection[Partition], metrics: ProcessorMetrics) -> None:
    """Set the metric of the lag, for the assigned partitions only."""
    own = {partition: offsets.lag for partition, offsets in reading.items() if (TOPIC, partition) in assigned}
    metrics.lag.replace({(TOPIC, str(partition)): lag for partition, lag in own.items()})


def _log_failure(event: str, error: Exception) -> None:
    if is_outage(error):
        logger.warning(event, error=type(error).__name__, detail=str(error)[:300])
    else:
        logger.error(event, exc_info=error)
