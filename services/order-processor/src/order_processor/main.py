"""All wiring of order-processor: `main` runs it until a signal stops it."""

import os
import signal
import sys
import threading
import time
from functools import partial

from order_processor.batch_report import reported
from order_processor.consumer import Consumer, client_config
from order_processor.dead_letters import PRODUCER_SETTINGS, DeadLetters
from order_processor.handler import Handler
from order_processor.metrics import ProcessorMetrics
from order_processor.monitor import Monitor
from order_processor.offset_committer import OffsetCommitter
from order_processor.settings import Settings
from order_processor.stuck_detector import StuckDetector
from shared import garbage, kafka, mongo
from shared.config.settings import SettingsError
from shared.ordering.events import DEAD_LETTER_GROUP, DEAD_LETTER_TOPIC, GROUP, TOPIC
from shared.ordering.offsets import GroupOffsets
from shared.ordering.reconcile import Reconciler
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.resilience.parallel_bisect import ParallelBisect
from shared.telemetry import certificates, log
from shared.telemetry.admin import AdminServer
from shared.telemetry.metrics import BreakerMetrics, CertificateMetrics
from shared.telemetry.registry import new_registry
from shared.telemetry.tracing import Tracer

POOL = 4  # connections to MongoDB: two for the consumer, one for reconciliation, one spare
CLOSE_SECONDS = 6.0  # limit for finishing the batch in flight, and again for leaving the group
STALLED_SECONDS = 60.0  # like max.poll.interval.ms: after that time the group gives the partitions to others

logger = log.get(__name__)
log_throttle = log.LogThrottle()


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        return _refuse_to_start(error)
    log.configure("order-processor", settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(settings, stop)
    except SettingsError as error:  # the driver cannot use the URI
        return _refuse_to_start(error)
    except Exception:
        logger.exception("crashed")
        return 1
    return 0


def _refuse_to_start(error: SettingsError) -> int:
    sys.stderr.write(f"order-processor cannot start:\n{error}\n")
    return 2


def run(settings: Settings, stop: threading.Event) -> None:
    """Consume until `stop` is set, finish what is in flight, and close everything."""
    registry = new_registry("order-processor")
    metrics = ProcessorMetrics(registry)
    tracer = Tracer.of(settings, service="order-processor")
    certificates.watch(
        CertificateMetrics(registry), {"mongodb-ca": settings.mongodb_ca_file, "kafka-ca": settings.kafka_ca_file}
    )
    connection = settings.kafka
    database = mongo.connect(
        settings.mongodb_uri,
        ca_file=settings.mongodb_ca_file,
        database=settings.mongodb_database,
        app_name="order-processor",
        pool=POOL,
    )
    breaker = Breaker("mongodb", BreakerMetrics(registry), is_failure=mongo.is_failure)
    orders = OrderTransitions(database, breaker)
    dead_letters = DeadLetters(lambda: kafka.producer(connection, _kafka_error, **PRODUCER_SETTINGS))
    two_threads = ParallelBisect()
    handler = Handler(
        orders, dead_letters.send, metrics, refused_items=settings.refused_items, bisect=two_threads.bisect
    )
    committer = OffsetCommitter()
    config = client_config(settings.group_protocol) | {"on_commit": committer.on_commit}
    client = kafka.consumer(connection, GROUP, _kafka_error, **config)
    consumer = Consumer(
        client, reported(handler.handle, tracer), committer, incremental=settings.group_protocol == "consumer"
    )
    offsets = GroupOffsets(connection, topic=TOPIC, group=GROUP)
    acknowledged = GroupOffsets(connection, topic=DEAD_LETTER_TOPIC, group=DEAD_LETTER_GROUP)
    stuck_detector = StuckDetector()
    monitor = Monitor(
        offsets,
        Reconciler(orders, offsets, on_requeued=metrics.requeued.inc, on_stuck=metrics.stuck.set),
        metrics,
        stuck_detector,
        consumer=consumer,
        dead_letters=acknowledged,
        seconds=settings.reconcile_seconds,
    )
    admin = AdminServer(
        settings.admin_bind,
        registry,
        live=partial(liveness_error, consumer),
        ready=partial(readiness_error, monitor, breaker),
    )
    logger.info("started", admin=admin.port)
    try:
        consumer.subscribe()
        monitor.start()
        garbage.exempt_all()
        while not stop.is_set():
            consumer.poll_once()
            dead_letters.poll()
            stuck_detector.check()
        logger.info("stopping")
    finally:
        monitor.stop()
        consumer.close(CLOSE_SECONDS)
        two_threads.close()
        if monitor.close():  # a monitor that still runs uses these clients: closing them would crash the process
            offsets.close()
            acknowledged.close()
        dead_letters.close()
        database.client.close()
        tracer.close()
        admin.close()
    logger.info("stopped")


def liveness_error(consumer: Consumer) -> str | None:
    """Return a sentence if the consumer's loop is stalled, otherwise None."""
    age = time.monotonic() - consumer.last_poll_at
    return f"consumer loop stalled for {age:.0f} s" if age > STALLED_SECONDS else None


def readiness_error(monitor: Monitor, breaker: Breaker) -> str | None:
    """Return a sentence that says why this process cannot handle events, otherwise None."""
    if breaker.state == "open":
        return "MongoDB's circuit breaker is open"
    return None if monitor.is_connected else "Kafka does not answer"


def _kafka_error(error: kafka.KafkaError) -> None:
    # Without brokers there are about 20 errors a second.
    log_throttle.log(logger.warning, "kafka_error", error.name(), error=error.name(), detail=error.str())


if __name__ == "__main__":
    sys.exit(main())
