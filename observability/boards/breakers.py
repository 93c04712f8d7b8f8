"""The board of the circuit breakers."""

from observability.boards.queries import rate
from observability.builder import GREEN, RED, YELLOW, Board, Panel

BREAKER_STATES = {0: ("closed", GREEN), 1: ("half-open", YELLOW), 2: ("open", RED)}
BREAKER_STATE = (
    'sum by (pod, breaker) (retail_circuit_breaker_state{OURS, state="half_open"})'
    ' + 2 * sum by (pod, breaker) (retail_circuit_breaker_state{OURS, state="open"})'
)
BREAKERS = Board(
    name="breakers",
    title="Breakers",
    description="The circuit breakers of every replica.",
    rows=[
        (
            "Breakers",
            [
                Panel(
                    title="State",
                    description="Closed: calls go through. Open: none does. Half-open: three probes at a time.",
                    queries={"{{breaker}} {{pod}}": BREAKER_STATE},
                    unit="short",
                    kind="state-timeline",
                    width=24,
                    mappings=BREAKER_STATES,
                    runbook="circuit-breaker-open",
                ),
                Panel(
                    title="Calls by result",
                    description="Rejected calls were not attempted.",
                    queries={"{{breaker}} {{result}}": rate("retail_circuit_breaker_calls_total", "breaker, result")},
                    unit="ops",
                    width=12,
                ),
                Panel(
                    title="Failed and rejected calls by replica",
                    description="One replica alone points to its network, all of them to the dependency.",
                    queries={
                        "{{breaker}} {{pod}}": rate(
                            "retail_circuit_breaker_calls_total", "breaker, pod", ', result=~"failed|rejected"'
                        )
                    },
                    unit="ops",
                    width=12,
                    runbook="circuit-breaker-open",
                ),
                Panel(
                    title="Transitions",
                    description="Changes of state within a minute.",
                    queries={
                        "{{breaker}} {{to}}": "sum by (breaker, to) "
                        "(increase(retail_circuit_breaker_transitions_total{OURS}[1m]))"
                        " or 0 * sum by (breaker) (retail_circuit_breaker_state{OURS})"
                    },
                    unit="short",
                    width=24,
                ),
            ],
        )
    ],
)
