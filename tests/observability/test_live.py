"""During each fault, a real Prometheus shows the alerts that must fire, and no others except known consequences.

The durations and ages in the alerts are divided by 20 here; tests/chart/test_alerts.py tests the real ones with
promtool. The tests depend on each other and run in this order.
"""

import datetime as dt
import signal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from local_stack.stack import Stack
from observability.boards import BOARDS
from observability.builder import OURS
from support import wait
from support.customer import https
from support.observed import DIVISOR, Prometheus, Watch, breakers_agree
from support.operator import printed_json, publish, retail
from support.pki import authority
from support.servers import database

QUIET_SECONDS = 20
ALLOWED_AGE = 120 / DIVISOR
TRANSITIONS = 20
# Alerts that may fire after a fault, because orders were processed late.
LATE_ORDERS = {"ProcessingBurn", "ProcessingBurnSlowly", "OrderProcessorStalled"}


def oldest_age(stack: Stack) -> float:
    """Return the age in seconds of the oldest PLACED order in MongoDB."""
    with database(stack, "admin") as read:
        oldest: Any = read.orders.find_one({"status": "PLACED"}, sort=[("placed_at", 1)])
        age: dt.timedelta = dt.datetime.now(dt.UTC) - oldest["placed_at"]
        return age.total_seconds()


def test_no_alert_fires_in_a_healthy_system_under_load(stack: Stack, watched: Prometheus) -> None:
    wait.until(lambda: watched.value("sum(retail_orders_processed_total) > 20"), "processed orders", seconds=60)
    watched.await_quiet()
    with Watch(watched) as watch:
        began = watched.value("vector(time())")
        wait.until(lambda: watched.query(f"vector(time()) > {began} + {QUIET_SECONDS}"), "time", seconds=90)

    assert watch.fired == set()
    assert watched.value("sum(up)") == watched.value("count(up)") == len(stack.file["services"])


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_query_of_every_panel_returns_data(watched: Prometheus, board: Any) -> None:
    def empty() -> list[tuple[str, str]]:
        return [
            (panel.title, legend)
            for panel in board.panels
            if not panel.external
            for legend, query in panel.queries.items()
            if not watched.query(query.replace("OURS", OURS))
        ]

    try:
        wait.until(lambda: not empty(), "data in every panel", seconds=30, every=1)
    except AssertionError:
        raise AssertionError(f"no data: {empty()}") from None


def test_response_made_by_the_proxy_itself_is_counted(stack: Stack, watched: Prometheus) -> None:
    with https(stack.base_url, stack.ca) as http:
        assert http.request("TRACE", "/order").status_code == 405

    wait.until(lambda: watched.value('sum(retail_proxy_responses_total{status="405"})') == 1, "the counted response")


def test_dead_letter_alert_fires_until_the_dead_letter_is_acknowledged(stack: Stack, watched: Prometheus) -> None:
    with Watch(watched) as watch:
        publish(stack, (b"nobody", b"not an order", []))
        watched.await_firing("DeadLetters")
        listed = printed_json(retail(stack, "dead-letters", "list", "--json"))["events"]
        assert retail(stack, "dead-letters", "acknowledge", listed[0]["id"]).exit_code == 0
        watched.await_quiet()

    assert watch.fired == {"DeadLetters"}


def test_certificate_alert_fires_until_the_file_is_replaced(stack: Stack, watched: Prometheus) -> None:
    file = Path(stack.ca)
    valid = file.read_bytes()
    expired = authority(end=dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    with Watch(watched) as watch:
        file.write_bytes(valid + expired)
        try:
            watched.await_firing("CertificateExpired", "CertificateExpiringSoon")
        finally:
            file.write_bytes(valid)
        watched.await_quiet()

    assert watch.fired == {"CertificateExpired", "CertificateExpiringSoon"}


def test_alert_names_the_killed_replica(stack: Stack, watched: Prometheus) -> None:
    with Watch(watched) as watch:
        stack.restart_policy("order-api-1", enabled=False)
        stack.kill("order-api-1")
        watched.await_firing("TargetDown")
        (down,) = watched.query('ALERTS{alertname="TargetDown", alertstate="firing"}')
        stack.start("order-api-1")
        watched.await_quiet()

    assert down["metric"]["pod"] == "retail-order-api-1"
    assert watch.fired == {"TargetDown"}


def test_alerts_fire_and_lag_is_unknown_while_kafka_hangs(stack: Stack, watched: Prometheus) -> None:
    with Watch(watched) as watch:
        stack.signal("kafka-0", signal.SIGSTOP)
        try:
            watched.await_firing("OutboxStuck", "OrdersUnprocessed", "CircuitBreakerOpen", "ConsumerLagUnknown")
            lag = watched.query("retail_kafka_consumer_lag")
            shown = watched.value("max(retail_orders_oldest_unprocessed_age_seconds)")
            age = oldest_age(stack)
        finally:
            stack.signal("kafka-0", signal.SIGCONT)
        wait.until(lambda: watched.value("max(retail_orders_unprocessed) < 10"), "the backlog processed", seconds=90)

    assert lag == []
    assert shown is not None
    assert ALLOWED_AGE < shown <= age + 1
    assert watch.fired - LATE_ORDERS == {"OutboxStuck", "OrdersUnprocessed", "CircuitBreakerOpen", "ConsumerLagUnknown"}


def test_alerts_and_breaker_states_are_right_while_mongodb_hangs(stack: Stack, watched: Prometheus) -> None:
    """Through at least 20 state changes, Prometheus shows the breaker states that each replica reports."""
    with Watch(watched) as watch:
        began = breakers_agree(stack, watched)
        stack.signal("mongodb-0", signal.SIGSTOP)
        try:
            watched.await_firing("AvailabilityBurn", "CircuitBreakerOpen", "BacklogUnknown", "LoginsFailing")
            backlog = watched.query("retail_orders_unprocessed")
            wait.until(
                lambda: breakers_agree(stack, watched) - began >= TRANSITIONS, "20 transitions", seconds=120, every=0
            )
        finally:
            stack.signal("mongodb-0", signal.SIGCONT)
        wait.until(
            lambda: watched.value('min(retail_circuit_breaker_state{breaker="mongodb", state="closed"})'),
            "closed breakers",
            seconds=60,
        )
        assert breakers_agree(stack, watched) - began >= TRANSITIONS

    assert backlog == []
    consequences = LATE_ORDERS | {"OrdersUnprocessed", "OutboxStuck", "AvailabilityBurnSlowly", "ResourceSaturated"}
    needed = {"AvailabilityBurn", "CircuitBreakerOpen", "BacklogUnknown", "LoginsFailing"}
    assert watch.fired - consequences == needed


def test_runbook_file_of_every_alert_exists(watched: Prometheus) -> None:
    links = {rule["annotations"]["runbook_url"] for rule in watched.alert_rules()}

    assert len(links) >= 8
    assert {urlsplit(link).scheme for link in links} == {"file"}
    assert [link for link in links if not Path(unquote(urlsplit(link).path)).exists()] == []
