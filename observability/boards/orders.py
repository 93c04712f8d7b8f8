"""The board of orders, to look at first."""

from observability.boards.queries import quantiles, rate
from observability.builder import Board, Panel

FAILED_SHARE = (
    '((sum(rate(retail_http_requests_total{{OURS, status=~"5.."}}[{w}])) or vector(0))'
    ' + (sum(rate(retail_proxy_responses_total{{OURS, status="503"}}[{w}])) or vector(0)))'
    " / (sum(rate(retail_http_requests_total{{OURS}}[{w}]))"
    " + (sum(rate(retail_proxy_responses_total{{OURS}}[{w}])) or vector(0)))"
)
ORDERS = Board(
    name="orders",
    title="Orders",
    description="Are buyers served, is anything stuck, how much of the error budget is left?",
    rows=[
        (
            "At a glance",
            [
                Panel(
                    title="Requests served",
                    description="Share of the requests of the last 5 minutes that were not answered with 5xx.",
                    queries={"served": f"1 - {FAILED_SHARE.format(w='5m')}"},
                    unit="percentunit",
                    kind="stat",
                    width=5,
                    limits=(0.999, 0.99),
                    runbook="buyers-get-errors",
                    decimals=2,
                ),
                Panel(
                    title="Oldest order not processed",
                    description="Read from MongoDB, so it is right while Kafka or the processor is down.",
                    queries={"age": "max(retail_orders_oldest_unprocessed_age_seconds{OURS})"},
                    unit="s",
                    kind="stat",
                    width=5,
                    limits=(10, 120),
                    runbook="orders-not-processed",
                ),
                Panel(
                    title="Wait for a person",
                    description="FAILED orders, dead letters, excluded and stuck orders. Anything above 0 is work.",
                    queries={
                        "failed orders": "max(retail_orders_failed_waiting{OURS})",
                        "dead letters": "max(retail_dead_letters_waiting{OURS})",
                        "excluded": "max(retail_orders_excluded{OURS})",
                        "stuck": "max(retail_orders_stuck{OURS})",
                    },
                    unit="short",
                    kind="stat",
                    width=8,
                    limits=(1, 100),
                    runbook="dead-letters",
                ),
                Panel(
                    title="Error budget left",
                    description="Of the 0.1 % of requests that may fail within 30 days; negative if it is used up.",
                    queries={"left": f"1 - ({FAILED_SHARE.format(w='30d')}) / 0.001"},
                    unit="percentunit",
                    kind="stat",
                    width=6,
                    limits=(0.5, 0.1),
                    runbook="buyers-get-errors",
                    decimals=1,
                ),
            ],
        ),
        (
            "Orders",
            [
                Panel(
                    title="Orders per second",
                    description="Placed and processed should match.",
                    queries={
                        "placed": rate("retail_orders_placed_total"),
                        "replayed": rate("retail_orders_replayed_total"),
                        "processed": rate("retail_orders_processed_total"),
                        "failed: {{reason}}": rate("retail_orders_failed_total", "reason"),
                    },
                    unit="ops",
                ),
                Panel(
                    title="Responses per second by status",
                    description="Any status other than 2xx, 304, 4xx and 503 is a defect.",
                    queries={"{{status}}": rate("retail_http_requests_total", "status")},
                    unit="reqps",
                ),
                Panel(
                    title="Time to place an order",
                    description="Of POST /order, in the service.",
                    queries=quantiles("retail_http_request_duration_seconds", more=', route="/order"'),
                    unit="s",
                ),
                Panel(
                    title="From placed to processed",
                    description="Of the orders that were processed; the objective is 5 s for 99 %.",
                    queries=quantiles("retail_order_processing_seconds"),
                    unit="s",
                    runbook="orders-not-processed",
                ),
                Panel(
                    title="Oldest waiting order",
                    description="The oldest order not processed, and the oldest whose event is not published.",
                    queries={
                        "not processed": "max(retail_orders_oldest_unprocessed_age_seconds{OURS})",
                        "not published": "max(retail_outbox_oldest_age_seconds{OURS})",
                    },
                    unit="s",
                    runbook="outbox-stuck",
                ),
                Panel(
                    title="Waiting orders",
                    description="Of the whole database; at most 10,000 are counted.",
                    queries={
                        "not processed": "max(retail_orders_unprocessed{OURS})",
                        "not published": "max(retail_outbox_pending_orders{OURS})",
                    },
                    unit="short",
                ),
            ],
        ),
    ],
)
