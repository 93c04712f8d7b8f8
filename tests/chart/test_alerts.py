"""Each alert fires in its situation, with the right values in its description, and is quiet otherwise."""

from pathlib import Path

import pytest

from support import alerts
from support.alert_series import (
    API,
    AUTH,
    PROCESSOR,
    breaker,
    consumed,
    gauge,
    lag,
    logins,
    pod,
    processing,
    proxied,
    requests,
    waiting,
)
from support.alerts import Case, Firing

pytestmark = pytest.mark.skipif(
    alerts.PROMTOOL is None, reason="promtool is not installed: needs Debian's package prometheus"
)
NAMESPACE = {"namespace": "retail"}
RELEASE = {"namespace": "retail", "release": "shop"}
MINUTES_OF_3_DAYS = 3 * 24 * 60
STEPS_OF_3_DAYS = MINUTES_OF_3_DAYS // 10
CERTIFICATE = f'retail_certificate_expiry_timestamp_seconds{{{API}, name="kafka-ca"}}'
CERT_MANAGERS = 'certmanager_certificate_expiration_timestamp_seconds{namespace="cert-manager", name="shop-auth-api"}'
BURN = "{} of all requests are answered with 503; the objective allows 0.1%."
LATE = "{} of the processed orders took more than 5 s; the objective allows 1%."
EXPIRES = "The certificate {} expires in {}; a large negative number means that its file cannot be read."
BEHIND = "{} events have been waiting for order-processor for 10 minutes; 1,000 are usual at most."
NOT_CLOSED = "The breaker kafka has not been closed for 1 minute in 1 replicas."
STALLED = "shop-order-processor-a has 3 events waiting and has handled none for 10 minutes."
OPEN = Firing(NOT_CLOSED, {"breaker": "kafka"})

CASES: dict[str, list[Case]] = {
    "AvailabilityBurn": [
        Case(requests("0+50x200", "0x60 50+50x140"), {75: Firing(BURN.format("20%"), RELEASE)}, (59, 61)),
        Case(requests("0+100000x120", "0+10x120"), {}, (60, 119)),
        Case(requests("0+1x120", "0x60 1x60"), {}, (65, 70)),
        Case(proxied("0x60 50+50x140"), {75: Firing(BURN.format("20%"), RELEASE)}, (8, 59, 61)),
    ],
    "AvailabilityBurnSlowly": [
        Case(
            requests(f"0+998x{STEPS_OF_3_DAYS}", f"0+2x{STEPS_OF_3_DAYS}"),
            {MINUTES_OF_3_DAYS: Firing(BURN.format("0.2%"), RELEASE)},
            (30,),
            step=10,
        ),
        Case(requests(f"0+9999x{STEPS_OF_3_DAYS}", f"0+1x{STEPS_OF_3_DAYS}"), {}, (MINUTES_OF_3_DAYS,), step=10),
    ],
    "ProcessingBurn": [
        Case(processing("0+100x120", "0+80x120"), {70: Firing(LATE.format("20%"), RELEASE)}, (2,)),
        Case(processing("0+1000x120", "0+995x120"), {}, (70, 119)),
    ],
    "ProcessingBurnSlowly": [
        Case(
            processing(f"0+100x{STEPS_OF_3_DAYS}", f"0+98x{STEPS_OF_3_DAYS}"),
            {MINUTES_OF_3_DAYS: Firing(LATE.format("2%"), RELEASE)},
            (30,),
            step=10,
        ),
    ],
    "OrdersUnprocessed": [
        Case(
            gauge("retail_orders_oldest_unprocessed_age_seconds", "0x5 60+60x10 0x9"),
            {9: Firing("The oldest order that is not processed was placed 4m 0s ago.")},
            (5, 7, 17),
        )
    ],
    "OutboxStuck": [
        Case(
            gauge("retail_outbox_oldest_age_seconds", "0x5 60+60x10 0x9"),
            {10: Firing("The oldest outbox entry is 5m 0s old.")},
            (5, 8, 17),
        ),
        Case(gauge("retail_outbox_oldest_age_seconds", "119x30"), {}, (10, 29)),
    ],
    "OrdersNotProcessed": [
        Case(lag("1001x30") | consumed("0+6000x30"), {12: Firing(BEHIND.format("1.001k"))}, (5,)),
        Case(lag("1000x30") | consumed("0+6000x30"), {}, (12, 29)),
    ],
    "OrderProcessorStalled": [
        Case(
            lag("0x9 3x20 0x9") | consumed("0+10x9 90x40"),
            {20: Firing(STALLED, {"pod": "shop-order-processor-a"})},
            (9, 14, 32),
        ),
        Case(  # fires for a stalled replica although another one works
            lag("3x30") | consumed("0x30") | consumed("0+10x30", PROCESSOR.replace("-a", "-b")),
            {20: Firing(STALLED, {"pod": "shop-order-processor-a"})},
            (2,),
        ),
        Case(lag("50x60") | consumed("0+6000x60"), {}, (20, 59)),
        Case(lag("0+10x60") | consumed("0+6000x60"), {}, (20, 59)),
        Case(  # quiet: an event arrives every few minutes, and is handled within a minute
            lag("0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0") | consumed("0x3 1x6 2x6 3x8 4x7"),
            {},
            (5, 8, 11, 14, 17, 20, 23, 26),
        ),
    ],
    "ConsumerLagUnknown": [
        Case(
            lag("0x5 stale _x30"),
            {17: Firing("For 10 minutes no replica has owned a partition, or Kafka does not answer them.", NAMESPACE)},
            (5, 14),
        )
    ],
    "BacklogUnknown": [
        Case(
            gauge("up", "1x30") | gauge("retail_orders_unprocessed", "0x5 stale _x9 0x15"),
            {9: Firing("1 order-api replicas are up and none has read the orders from MongoDB for 2 minutes.")},
            (5, 6, 20),
        ),
        Case(gauge("up", "0x30"), {}, (20,)),
    ],
    "DeadLetters": waiting("retail_dead_letters_waiting", "2 dead letters are not acknowledged.", PROCESSOR),
    "OrdersFailed": waiting(
        "retail_orders_failed_waiting",
        "2 orders are FAILED for a technical reason; redrive them once the cause is fixed.",
    ),
    "OrdersExcluded": waiting(
        "retail_orders_excluded", "2 orders can neither be published nor fail until they are repaired."
    ),
    "MalformedOrders": [
        Case(
            gauge("retail_malformed_orders_total", "0x5 3x80"),
            {50: Firing("Within an hour malformed orders were met 3 times; their buyers cannot read them.")},
            (4, 70),
        )
    ],
    "OrdersStuck": waiting("retail_orders_stuck", "2 orders have been requeued five times or more.", PROCESSOR),
    "CircuitBreakerOpen": [
        Case(breaker("1x9 0x20", "0x9 1+1x20"), {12: OPEN, 25: OPEN}, (9,)),
        Case(breaker("1x9 0x40", "0x9 1+1x10 11x30"), {15: OPEN}, (30,)),  # quiet at minute 30, without rejected calls
        Case(breaker("1x30", "0+1x30", "failed"), {}, (10, 20)),  # quiet: calls fail, but the breaker stays closed
        Case(  # quiet: the breaker of replica a is open but rejects no call; that of b is closed while calls fail
            breaker("0x30", "5x30") | breaker("1x30", "0+1x30", "failed", PROCESSOR.replace("-a", "-b")), {}, (10, 20)
        ),
    ],
    "CertificateExpiringSoon": [
        Case(
            {CERTIFICATE: f"{7 * 86400 + 600}x20 {14 * 86400}x20"},
            {15: Firing(EXPIRES.format("kafka-ca", "6d 23h 55m 0s"), {"name": "kafka-ca"})},
            (5, 25),
        ),
        Case(
            {CERT_MANAGERS: f"{7 * 86400 + 600}x20 {14 * 86400}x20"},
            {15: Firing(EXPIRES.format("shop-auth-api", "6d 23h 55m 0s"), {"name": "shop-auth-api"})},
            (5, 25),
        ),
        Case({'certmanager_certificate_expiration_timestamp_seconds{name="other"}': "5x9"}, {}, (5,)),
    ],
    "CertificateExpired": [
        Case(
            {CERTIFICATE: f"600x20 {86400}x20"},
            {15: Firing(EXPIRES.format("kafka-ca", "-5m 0s"), {"name": "kafka-ca"})},
            (5, 25),
        ),
    ],
    **{
        alert: [
            Case(
                gauge("up", "1x5 0x20 1x9", where) | gauge("up", "0x40", where.replace("-a", "-b")),
                {12: Firing(f"For 5 minutes no replica of {service} could be scraped.")},
                (5, 9, 27),
            ),
            Case(
                gauge("up", "1x5 stale _x20", where),
                {12: Firing(f"For 5 minutes no replica of {service} could be scraped.")},
                (5, 9),
            ),
        ]
        for alert, service, where in (
            ("OrderApiAbsent", "order-api", API),
            ("AuthApiAbsent", "auth-api", AUTH),
            ("OrderProcessorAbsent", "order-processor", PROCESSOR),
        )
    },
    "TargetDown": [
        Case(
            gauge("up", "1x5 0x20 1x9") | gauge("up", "1x40", API.replace("-a", "-b")),
            {12: Firing("shop-order-api-a could not be scraped for 5 minutes.", pod("order-api"))},
            (5, 9, 27),
        )
    ],
    "ReplicaRestarting": [
        Case(
            gauge("process_start_time_seconds", "1 2 3 4 4x30"),
            {4: Firing("shop-order-api-a has started 3 times in 15 minutes.", pod("order-api"))},
            (1, 25),
        ),
        Case(gauge("process_start_time_seconds", "1 2 2x30"), {}, (4, 9)),
    ],
    "ResourceSaturated": [
        Case(
            {
                f'retail_resource_in_use{{{API}, resource="http_threads"}}': "4x5 15x20 4x9",
                f'retail_resource_limit{{{API}, resource="http_threads"}}': "16x40",
            },
            {
                12: Firing(
                    "shop-order-api-a has used 93.75% of its http_threads for 5 minutes.",
                    pod("order-api") | {"resource": "http_threads"},
                )
            },
            (5, 9, 27),
        )
    ],
    "LoginsFailing": [
        Case(
            logins("0+8x40", "unavailable", "0x9 0+2x30"),
            {20: Firing("20% of the logins fail because auth-api is busy or cannot reach MongoDB.")},
            (9,),
        ),
        Case(logins("0+8x40", "refused", "0+8x40"), {}, (20,)),
    ],
    "LoginsRefused": [
        Case(
            logins("0+1x60", "throttled", "0+99x60"),
            {25: Firing("99% of the logins are refused or throttled: an attack, or the users' records are lost.")},
            (3,),
        ),
        Case(logins("0x60", "refused", "0+1x60"), {}, (25,)),  # quiet at night: few logins, all refused
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_alert_fires_only_in_its_situation(name: str, tmp_path: Path) -> None:
    objections = [alerts.judge(tmp_path, name, case) for case in CASES[name]]

    assert [text for text in objections if text] == []


def test_every_alert_is_tested_and_has_all_annotations() -> None:
    rules = alerts.alerts()

    assert set(CASES) == set(rules)
    for rule in rules.values():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert "{{ $" in rule["annotations"]["description"] or "absent(" in rule["expr"]
    assert all(any(case.fires for case in cases) and any(case.quiet for case in cases) for cases in CASES.values())
