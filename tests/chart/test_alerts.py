"""When the alerts fire, tested with promtool (Debian's package `prometheus`) where it is installed."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import helm
from support.manifests import of_kind

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: needs Debian's package prometheus")
JOB = 'namespace="retail", pod="shop-order-processor-a"'
OTHER = 'namespace="retail", pod="shop-order-processor-b"'
LAG = f'retail_kafka_consumer_lag{{{JOB}, topic="orders.placed", partition="0"}}'
CONSUMED = f'retail_events_consumed_total{{{JOB}, result="processed"}}'
IS_CLOSED = f'retail_circuit_breaker_state{{{JOB}, breaker="kafka", state="closed"}}'
REJECTED = f'retail_circuit_breaker_calls_total{{{JOB}, breaker="kafka", result="rejected"}}'


@pytest.fixture
def firing(tmp_path: Path) -> Any:
    """Return a function that tells for each given minute whether an alert fires; series have one sample per minute."""
    (rules,) = of_kind(helm.rendered(helm.CHART / "ci/everything-values.yaml"), "PrometheusRule")
    (tmp_path / "rules.json").write_text(yaml.dump(rules["spec"]))

    def ask(alert: str, series: dict[str, str], *minutes: int) -> list[bool]:
        return [not _passes(tmp_path, alert, series, minute) for minute in minutes]

    return ask


def _passes(folder: Path, alert: str, series: dict[str, str], minute: int) -> bool:
    """Tell whether promtool agrees that the alert does not fire."""
    silence = {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": []}
    given = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": given, "alert_rule_test": [silence]}
    content = {"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.json").write_text(yaml.dump(content))
    command = [str(PROMTOOL), "test", "rules", str(folder / "test.json")]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert judged.returncode == 0 or "got:" in judged.stdout + judged.stderr, judged.stderr
    return judged.returncode == 0


def test_lag_without_progress_for_ten_minutes_fires(firing: Any) -> None:
    series = {LAG: "0x9 3x20 0x9", CONSUMED: "0+10x9 90x40"}

    assert firing("OrderProcessorStalled", series, 9, 14, 20, 29, 32) == [False, False, True, True, False]


def test_working_processor_does_not_hide_a_stalled_one(firing: Any) -> None:
    series = {LAG: "3x30", CONSUMED: "0x30", CONSUMED.replace(JOB, OTHER): "0+10x30"}

    assert firing("OrderProcessorStalled", series, 20) == [True]


@pytest.mark.parametrize(
    ("lag", "consumed"),
    [
        ("50x60", "0+6000x60"),
        ("0+10x60", "0+6000x60"),
        ("0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0", "0x3 1x6 2x6 3x8 4x7"),
    ],
    ids=["steady", "growing", "trickle"],
)
def test_lag_with_progress_does_not_fire(firing: Any, lag: str, consumed: str) -> None:
    assert not any(firing("OrderProcessorStalled", {LAG: lag, CONSUMED: consumed}, *range(5, 30, 3)))


def test_no_processor_for_ten_minutes_fires(firing: Any) -> None:
    assert firing("OrderProcessorAbsent", {LAG: "0x5 stale _x30"}, 5, 14, 17) == [False, False, True]


def test_lag_above_1000_for_ten_minutes_fires_despite_progress(firing: Any) -> None:
    series = {LAG: "1001x30", CONSUMED: "0+6000x30"}

    assert firing("OrdersNotProcessed", series, 5, 12) == [False, True]


def test_first_dead_letter_of_a_process_fires(firing: Any) -> None:
    series = {f'retail_events_consumed_total{{{JOB}, result="dead_letter"}}': "0x5 1x30"}

    assert firing("DeadLetters", series, 4, 7, 25) == [False, True, False]


def test_order_that_failed_for_a_technical_reason_fires(firing: Any) -> None:
    failed = f'retail_orders_failed_total{{{JOB}, reason="error"}}'

    assert firing("OrdersFailed", {failed: "0x5 1x30"}, 4, 7, 25) == [False, True, False]
    assert firing("OrdersFailed", {failed.replace("error", "refused"): "0x5 1x30"}, 7) == [False]


def test_order_that_is_requeued_repeatedly_fires(firing: Any) -> None:
    assert firing("OrdersStuck", {f"retail_orders_stuck{{{JOB}}}": "0x5 1x10 0x9"}, 5, 9, 20) == [False, True, False]


def test_no_order_api_for_five_minutes_fires(firing: Any) -> None:
    pending = f"retail_outbox_pending_orders{{{JOB}}}".replace("processor", "api")

    assert firing("OrderApiAbsent", {pending: "0x5 stale _x30"}, 5, 9, 12) == [False, False, True]


def test_open_breaker_that_rejects_calls_fires(firing: Any) -> None:
    series = {IS_CLOSED: "1x9 0x20", REJECTED: "0x9 1+1x20"}

    assert firing("CircuitBreakerOpen", series, 9, 12, 25) == [False, True, True]


def test_open_breaker_without_calls_stops_firing(firing: Any) -> None:
    series = {IS_CLOSED: "1x9 0x40", REJECTED: "0x9 1+1x10 11x30"}

    assert firing("CircuitBreakerOpen", series, 15, 30) == [True, False]


@pytest.mark.parametrize(
    "series",
    [
        f'retail_certificate_expiry_timestamp_seconds{{{JOB}, name="kafka-ca"}}',
        'certmanager_certificate_expiration_timestamp_seconds{namespace="cert-manager", name="shop-auth-api"}',
    ],
    ids=["authority", "own"],
)
def test_certificate_fires_in_its_last_week_until_renewed(firing: Any, series: str) -> None:
    end = 7 * 86400 + 10 * 60

    assert firing("CertificateExpiringSoon", {series: f"{end}x20 {2 * end}x20"}, 5, 15, 25) == [False, True, False]


def test_certificate_of_another_release_does_not_fire(firing: Any) -> None:
    series = {'certmanager_certificate_expiration_timestamp_seconds{name="other"}': "5x9"}

    assert firing("CertificateExpiringSoon", series, 5) == [False]


def test_failed_calls_through_a_closed_breaker_do_not_fire(firing: Any) -> None:
    series = {IS_CLOSED: "1x30", REJECTED.replace("rejected", "failed"): "0+1x30"}

    assert firing("CircuitBreakerOpen", series, 10, 20) == [False, False]


def test_failures_of_another_replica_do_not_keep_an_alert_firing(firing: Any) -> None:
    other_calls = REJECTED.replace(JOB, OTHER).replace("rejected", "failed")
    series = {IS_CLOSED: "0x30", IS_CLOSED.replace(JOB, OTHER): "1x30", REJECTED: "5x30", other_calls: "0+1x30"}

    assert firing("CircuitBreakerOpen", series, 10, 20) == [False, False]
