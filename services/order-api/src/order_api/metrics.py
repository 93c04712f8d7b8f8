"""The metrics of orders and their outbox, as one replica of order-api counts them."""

from collections.abc import Mapping
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter

from shared.telemetry.fresh_gauge import FreshGauge

MAX_AGE_SECONDS = 90.0  # older values are not exported; longer than the longest pause between two reads of the backlog
# For each field of `order_api.backlog.Backlog`: the name and the help of its metric. Every replica counts the whole
# database: a query must take the maximum over the replicas, not the sum.
BACKLOG: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "pending": (
            "retail_outbox_pending_orders",
            "Orders whose event is not confirmed as published, or was in the last 3 s; at most 10,000 are counted.",
        ),
        "oldest_pending_seconds": (
            "retail_outbox_oldest_age_seconds",
            "Age of the oldest order whose event is not confirmed as published, by the database's clock.",
        ),
        "unprocessed": ("retail_orders_unprocessed", "Orders that are PLACED; at most 10,000 are counted."),
        "oldest_unprocessed_seconds": (
            "retail_orders_oldest_unprocessed_age_seconds",
            "Age of the oldest order that is PLACED and not excluded, by the database's clock.",
        ),
        "excluded": (
            "retail_orders_excluded",
            "Orders that can be neither published nor failed; they wait for a person.",
        ),
        "failed": (
            "retail_orders_failed_waiting",
            "FAILED orders whose reason is technical; they wait for a person. At most 1,000 are counted.",
        ),
    }
)


class OrderMetrics:
    """Orders stored and replayed, the outbox, and the Kafka producer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.placed = Counter("retail_orders_placed_total", "Orders stored.", registry=registry)
        self.replayed = Counter(
            "retail_orders_replayed_total", "Requests that returned an order of an earlier request.", registry=registry
        )
        self._backlog = {
            field: FreshGauge(name, text, registry=registry, max_age=MAX_AGE_SECONDS)
            for field, (name, text) in BACKLOG.items()
        }
        published = Counter(
            "retail_outbox_published_total",
            "Events delivered to Kafka by path: fast, sweep.",
            ["path"],
            registry=registry,
        )
        # Each counter by its label exists from the start, so that increase() sees the first event.
        self.published = {path: published.labels(path) for path in ("fast", "sweep")}
        self.malformed = Counter(
            "retail_malformed_orders_total",
            "Malformed orders that were found: left out of a list, not shown, or not published.",
            registry=registry,
        )
        self.producer_restarts = Counter(
            "retail_kafka_producer_restarts_total", "Producers replaced after a fatal error.", registry=registry
        )

    def show_backlog(self, values: Mapping[str, float]) -> None:
        """Set the gauges of the backlog; `values` has every field of BACKLOG."""
        for field, gauge in self._backlog.items():
            gauge.set(values[field])

    def clear_backlog(self) -> None:
        """Export no backlog, because the database could not be read."""
        for gauge in self._backlog.values():
            gauge.clear()
