"""The board of Kafka and the processor."""

from observability.boards.queries import rate
from observability.builder import Board, Panel

KAFKA = Board(
    name="kafka",
    title="Kafka and processor",
    description="What waits in Kafka, what the processor does with it, and the brokers.",
    rows=[
        (
            "Processor",
            [
                Panel(
                    title="Events not handled",
                    description="Absent while no replica can read it: see the oldest order on the board Orders.",
                    queries={"lag": "sum(max by (topic, partition) (retail_kafka_consumer_lag{OURS}))"},
                    unit="short",
                    kind="stat",
                    width=6,
                    limits=(100, 1000),
                    runbook="orders-not-processed",
                ),
                Panel(
                    title="Partitions with an owner",
                    description="The topic has six.",
                    queries={"partitions": "count(max by (topic, partition) (retail_kafka_consumer_lag{OURS}))"},
                    unit="short",
                    kind="stat",
                    width=6,
                    limits=(6, 1),
                    runbook="orders-not-processed",
                ),
                Panel(
                    title="Dead letters",
                    description="Not acknowledged by a person.",
                    queries={"waiting": "max(retail_dead_letters_waiting{OURS})"},
                    unit="short",
                    kind="stat",
                    width=6,
                    limits=(1, 100),
                    runbook="dead-letters",
                ),
                Panel(
                    title="Stuck orders",
                    description="Requeued five times or more.",
                    queries={"stuck": "max(retail_orders_stuck{OURS})"},
                    unit="short",
                    kind="stat",
                    width=6,
                    limits=(1, 100),
                    runbook="lost-events",
                ),
                Panel(
                    title="Lag by partition",
                    description="Events not handled yet.",
                    queries={"{{partition}}": "max by (partition) (retail_kafka_consumer_lag{OURS})"},
                    unit="short",
                ),
                Panel(
                    title="Events by result",
                    description="Duplicates are harmless.",
                    queries={"{{result}}": rate("retail_events_consumed_total", "result")},
                    unit="ops",
                ),
                Panel(
                    title="Events handled by replica",
                    description="Each replica owns some of the six partitions.",
                    queries={"{{pod}}": rate("retail_events_consumed_total", "pod")},
                    unit="ops",
                ),
                Panel(
                    title="Events published",
                    description="By the fast path right after the order was stored, or by the sweep.",
                    queries={"{{path}}": rate("retail_outbox_published_total", "path")},
                    unit="ops",
                    runbook="outbox-stuck",
                ),
                Panel(
                    title="Requeued orders and new producers",
                    description="Orders whose event was lost, and producers replaced after a fatal error.",
                    queries={
                        "requeued": rate("retail_outbox_requeued_total"),
                        "producers replaced": rate("retail_kafka_producer_restarts_total"),
                    },
                    unit="ops",
                    runbook="lost-events",
                ),
                Panel(
                    title="Queues before Kafka",
                    description="Events in order-api's own queue and in its Kafka client.",
                    queries={
                        "{{resource}} {{pod}}": "sum by (pod, resource) "
                        '(retail_resource_in_use{OURS, resource=~"event_queue|producer_queue"})'
                    },
                    unit="short",
                ),
            ],
        ),
        (
            "Brokers (Strimzi, by k8s/monitoring/kafka.yaml)",
            [
                Panel(
                    title="Under-replicated partitions",
                    description="Should be 0.",
                    queries={
                        "{{pod}}": "sum by (pod) (kafka_server_replicamanager_underreplicatedpartitions{BROKERS})"
                    },
                    unit="short",
                    external=True,
                ),
                Panel(
                    title="Messages in",
                    description="Per second and topic.",
                    queries={
                        "{{topic}}": "sum by (topic) "
                        '(rate(kafka_server_brokertopicmetrics_messagesinpersec_total{BROKERS, topic=~"orders.*"}'
                        "[$__rate_interval]))"
                    },
                    unit="ops",
                    external=True,
                ),
                Panel(
                    title="Active controllers",
                    description="Exactly one.",
                    queries={"controllers": "sum(kafka_controller_kafkacontroller_activecontrollercount{BROKERS})"},
                    unit="short",
                    external=True,
                ),
            ],
        ),
    ],
)
