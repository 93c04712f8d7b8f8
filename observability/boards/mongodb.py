"""The board of MongoDB."""

from observability.boards.queries import quantiles, rate
from observability.builder import Board, Panel


def mongodb_calls(result: str) -> str:
    """Return the query of the calls per second to MongoDB with this result, by service."""
    return rate("retail_circuit_breaker_calls_total", "job", f', breaker=~"mongodb.*", result="{result}"')


MONGODB = Board(
    name="mongodb",
    title="MongoDB",
    description="MongoDB as the services see it: calls, failures, and the orders in it.",
    rows=[
        (
            "As the services see it",
            [
                Panel(
                    title="Breakers of MongoDB",
                    description="How many are not closed, of all replicas.",
                    queries={
                        "not closed": "count(retail_circuit_breaker_state"
                        '{OURS, breaker=~"mongodb.*", state="closed"} == 0) or vector(0)'
                    },
                    unit="short",
                    kind="stat",
                    width=8,
                    limits=(1, 2),
                    runbook="circuit-breaker-open",
                ),
                Panel(
                    title="Orders readable",
                    description="Replicas of order-api that can read the waiting orders.",
                    queries={"replicas": "count(retail_orders_unprocessed{OURS}) or vector(0)"},
                    unit="short",
                    kind="stat",
                    width=8,
                    limits=(2, 1),
                    runbook="circuit-breaker-open",
                ),
                Panel(
                    title="Failed calls",
                    description="Share of the calls of the last 5 minutes.",
                    queries={
                        "failed": "(sum(rate(retail_circuit_breaker_calls_total"
                        '{OURS, breaker=~"mongodb.*", result="failed"}[5m])) or vector(0))'
                        ' / sum(rate(retail_circuit_breaker_calls_total{OURS, breaker=~"mongodb.*"}[5m]))'
                    },
                    unit="percentunit",
                    kind="stat",
                    width=8,
                    limits=(0.001, 0.01),
                    runbook="circuit-breaker-open",
                ),
                Panel(
                    title="Calls that succeed",
                    description="Per second and service.",
                    queries={"{{job}}": mongodb_calls("ok")},
                    unit="ops",
                ),
                Panel(
                    title="Calls that fail",
                    description="Per second and service.",
                    queries={"{{job}}": mongodb_calls("failed")},
                    unit="ops",
                    runbook="circuit-breaker-open",
                ),
                Panel(
                    title="Calls not attempted",
                    description="Rejected by an open breaker.",
                    queries={"{{job}}": mongodb_calls("rejected")},
                    unit="ops",
                    runbook="circuit-breaker-open",
                ),
                Panel(
                    title="Time to place an order",
                    description="Mostly the write to a majority of MongoDB's journals.",
                    queries=quantiles("retail_http_request_duration_seconds", more=', route="/order"'),
                    unit="s",
                    width=12,
                ),
                Panel(
                    title="Orders that wait",
                    description="In the database; at most 10,000 are counted.",
                    queries={
                        "not processed": "max(retail_orders_unprocessed{OURS})",
                        "not published": "max(retail_outbox_pending_orders{OURS})",
                        "excluded": "max(retail_orders_excluded{OURS})",
                        "failed": "max(retail_orders_failed_waiting{OURS})",
                    },
                    unit="short",
                    width=12,
                ),
            ],
        )
    ],
)
