"""Administrative changes and stopped servers: no order is lost, and requests fail only while MongoDB is down."""

import time

import httpx
import pytest

from support import kind, kind_load, kind_release, kind_servers, wait
from support.customer import Customer
from support.kind_evidence import failed_answers


@pytest.mark.short
@pytest.mark.parametrize("component", kind.COMPONENTS)
def test_rolling_restart_fails_no_request(component: str) -> None:
    """`kubectl rollout restart` at 50 orders/s: every order gets 200 and is processed once."""
    with kind_load.running() as load:
        kind.kubectl("rollout", "restart", f"deployment/retail-{component}")
        kind.rollout(component)

    load.assert_nothing_failed()


def test_upgrade_and_rollback_fail_no_request() -> None:
    """`helm upgrade` sets new image tags and values, and `helm rollback` reverts them, at 50 orders/s."""
    tags = [
        f"{key}.image.tag={kind.retag(service).rpartition(':')[2]}"
        for key, service in (("orderApi", "order-api"), ("authApi", "auth-api"), ("orderProcessor", "order-processor"))
    ]
    with kind_load.running() as load, kind_release.restored():
        kind_release.upgrade(*tags, "orderApi.threads=24", "logLevel=debug")
        upgraded = {c["image"] for c in kind.pods("order-api")[0]["spec"]["containers"]}

    load.assert_nothing_failed()
    assert any(image.endswith("-again") for image in upgraded)
    assert not any(c["image"].endswith("-again") for c in kind.pods("order-api")[0]["spec"]["containers"])


def test_deleting_each_pod_in_turn_fails_no_request() -> None:
    """`kubectl delete pod` deletes every pod of the services, one after the other, at 50 orders/s."""
    deleted = []
    with kind_load.running() as load:
        for component in kind.COMPONENTS:
            for pod in kind.pods(component):
                deleted.append(pod["metadata"]["name"])
                kind.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=true", timeout=120)
                kind.rollout(component)

    load.assert_nothing_failed()
    assert len(deleted) == 2 * len(kind.COMPONENTS)


def test_draining_a_worker_fails_no_request() -> None:
    """Draining the worker node that runs neither MongoDB nor Kafka moves its pods; no request fails."""
    (node,) = [
        n["metadata"]["name"]
        for n in kind.list_of("nodes")
        if not {"retail-orders/data", "node-role.kubernetes.io/control-plane"} & set(n["metadata"]["labels"])
    ]
    try:
        with kind_load.running() as load:
            kind.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s", timeout=250)
            for component in kind.COMPONENTS:
                kind.rollout(component)
    finally:
        kind.kubectl("uncordon", node)

    load.assert_nothing_failed()


def test_deleting_the_mongodb_pod_loses_no_order() -> None:
    """While MongoDB's only pod restarts, requests get 200 or 503; at least one 503 of a service reaches the client."""
    with kind_load.running(30, verify_seconds=180) as load:
        kind.kubectl("delete", "pod", "mongodb-0", "--wait=true", timeout=120)
        kind.kubectl("rollout", "status", "statefulset/mongodb", "--timeout", "120s", timeout=130)
        _wait_for_more_orders(load, 60)

    load.assert_nothing_lost()
    assert set(load.result.statuses) <= {"200", "503"}, load.explain()
    rejected = [entry["problem"] for entry in failed_answers(load.ledger) if entry["status"] == 503]
    assert any("request_id" in problem for problem in rejected), "the gateway replaced every 503 of the services"


def test_deleting_the_kafka_pod_fails_no_request() -> None:
    """While Kafka's only pod restarts, orders are accepted, since placing one does not need Kafka."""
    with kind_load.running(30, verify_seconds=180) as load:
        kind_servers.delete_broker()
        _wait_for_more_orders(load, 60)

    load.assert_nothing_failed()


def _wait_for_more_orders(load: kind_load.Load, count: int) -> None:
    before = load.sent
    wait.until(lambda: load.sent > before + count, f"{count} more orders", seconds=90)


def scale_mongodb(replicas: int) -> None:
    kind.kubectl("scale", "statefulset/mongodb", "--replicas", str(replicas))
    if replicas:
        kind.kubectl("rollout", "status", "statefulset/mongodb", "--timeout", "120s", timeout=130)


def ready_becomes(component: str, count: int) -> None:
    wait.until(lambda: kind.ready_pods(component) == count, f"{component}: {count} ready", seconds=60, every=1)


def test_apis_are_unready_but_not_restarted_without_mongodb(https_client: httpx.Client) -> None:
    """MongoDB is down for about a minute: an order gets 503, no pod restarts, and the APIs recover by themselves."""
    apis = ("order-api", "auth-api")
    customer = Customer(https_client)
    restarts = {component: kind.restarts(component) for component in kind.COMPONENTS}
    scale_mongodb(0)
    try:
        for component in apis:
            ready_becomes(component, 0)
        answer = customer.post()
        time.sleep(45)  # longer than the 30 s after which a failing liveness probe restarts a pod
    finally:
        scale_mongodb(1)
    for component in apis:
        ready_becomes(component, 2)

    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"]
    assert {component: kind.restarts(component) for component in kind.COMPONENTS} == restarts


def test_orders_are_accepted_without_kafka_and_processed_later() -> None:
    """Kafka cannot start: the APIs stay ready, every order gets 200, and all are processed after Kafka recovers."""
    restarts = {component: kind.restarts(component) for component in kind.COMPONENTS}
    with kind_load.running(20, verify_seconds=180) as load, kind_servers.kafka_stopped():
        _wait_for_more_orders(load, 600)
        ready = {component: kind.ready_pods(component) for component in ("order-api", "auth-api")}

    load.assert_nothing_failed()
    assert ready == {"order-api": 2, "auth-api": 2}
    assert {component: kind.restarts(component) for component in kind.COMPONENTS} == restarts
