"""The metrics of orders and their outbox, as one replica of order-api counts them."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class OrderMetrics:
    """Orders stored and replayed, the outbox, and the Kafka producer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.placed = Counter("retail_orders_placed_total", "Orders stored.", registry=registry)
        self.replayed = Counter(
            "retail_orders_replayed_total", "Requests answered from an order stored before.", registry=registry
        )
        self.outbox_pending = Gauge(
            "retail_outbox_pending_orders",
            "Orders in the database whose event is not confirmed as published; at most 100,000 are counted.",
            registry=registry,
        )
        self.outbox_oldest = Gauge(
            "retail_outbox_oldest_age_seconds",
            "Age of the oldest such order, by the database's clock.",
            registry=registry,
        )
        self.published = Counter(
            "retail_outbox_published_total",
            "Events delivered to Kafka by path: fast, sweep.",
            ["path"],
            registry=registry,
        )
        for path in ("fast", "sweep"):
            self.published.labels(path)  # initialised to 0, so that increase() sees the first event
        self.malformed = Counter(
            "retail_malformed_orders_total",
            "Malformed orders met: left out of a list, not shown, or not published.",
            registry=registry,
        )
        self.producer_restarts = Counter(
            "retail_kafka_producer_restarts_total", "Producers replaced after a fatal error.", registry=registry
        )
