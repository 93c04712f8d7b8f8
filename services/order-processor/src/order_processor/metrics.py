"""The metrics of order-processor."""

import math

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.telemetry.fresh_gauge import FreshGauge

PROCESSING_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 3600)
MAX_AGE_SECONDS = 180.0  # for values read from Kafka: three times the longest pause between reads


class ProcessorMetrics:
    """Every counter exists from the start, by its label if it has one, so that increase() sees the first event."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.processed = Counter("retail_orders_processed_total", "Orders changed to PROCESSED.", registry=registry)
        failed = Counter(
            "retail_orders_failed_total",
            "Orders changed to FAILED by reason: refused (a rule), error.",
            ["reason"],
            registry=registry,
        )
        self.failed = {reason: failed.labels(reason) for reason in ("refused", "error")}
        self.processing = Histogram(
            "retail_order_processing_seconds",
            "Time from the event's placed_at to PROCESSED.",
            registry=registry,
            buckets=PROCESSING_BUCKETS,
        )
        consumed = Counter(
            "retail_events_consumed_total",
            "Events handled by result: processed, failed, duplicate, dead_letter.",
            ["result"],
            registry=registry,
        )
        self.consumed = {
            result: consumed.labels(result) for result in ("processed", "failed", "duplicate", "dead_letter")
        }
        self.requeued = Counter(
            "retail_outbox_requeued_total",
            "Orders requeued because their event was lost.",
            registry=registry,
        )
        self.stuck = FreshGauge(
            "retail_orders_stuck",
            "Orders requeued five times or more; they wait for a person.",
            registry=registry,
            max_age=math.inf,  # set once per pass of reconciliation, whose duration is unlimited
        )
        self.dead_letters_waiting = FreshGauge(
            "retail_dead_letters_waiting",
            "Dead letters that no person has acknowledged; of the whole topic, so take the maximum over replicas.",
            registry=registry,
            max_age=MAX_AGE_SECONDS,
        )
        self.lag = FreshGauge(
            "retail_kafka_consumer_lag",
            "Events not handled yet, of the partitions assigned to this process.",
            ["topic", "partition"],
            registry=registry,
            max_age=MAX_AGE_SECONDS,
        )
