"""Operations on MongoDB, Kafka and certificates in the kind cluster, with the real operators or their stand-ins.

Pods are found by label. Topics, users and certificates are changed through the operators' resources and Secrets. The
stand-ins do not watch these, so they are called after each change.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from support import kind, wait
from support.kind import ROOT, kubectl
from support.stand_ins import certificates, kafka, kube

KAFKA = "strimzi.io/cluster=retail,strimzi.io/name=retail-kafka"
DATA_NODES = "retail-orders/data"
TOPICS = ("orders.placed", "orders.placed.dlq")


def stand_ins() -> bool:
    """Return whether stand-ins replace Strimzi and cert-manager in this cluster."""
    (cluster,) = kube.list_of("kafkas.kafka.strimzi.io")
    return any(c.get("reason") == "StandIn" for c in cluster.get("status", {}).get("conditions", []))


def brokers() -> list[dict[str, Any]]:
    """Return the pods of the Kafka brokers."""
    items: list[dict[str, Any]] = json.loads(kubectl("get", "pods", "--selector", KAFKA, "--output", "json"))["items"]
    return items


def broker_is_ready() -> bool:
    """Return whether a broker exists, and all brokers are ready and none is being deleted."""
    found = brokers()
    return bool(found) and all(kind.is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in found)


def wait_for_broker(seconds: float = 180) -> None:
    """Wait until every broker is ready."""
    wait.until(broker_is_ready, "a ready broker", seconds=seconds, every=1)


def delete_broker() -> None:
    """Delete the broker's pod, and wait until its successor is ready."""
    kubectl("delete", "pod", "--selector", KAFKA, "--wait=true", timeout=120)
    wait_for_broker()


@contextmanager
def kafka_stopped() -> Iterator[None]:
    """Stop Kafka until the context ends: delete its pod, and let no pod start on the nodes where Kafka may run."""
    nodes = [n["metadata"]["name"] for n in kind.list_of("nodes") if DATA_NODES in n["metadata"]["labels"]]
    kubectl("cordon", *nodes)
    try:
        kubectl("delete", "pod", "--selector", KAFKA, "--wait=true", timeout=120)
        yield
    finally:
        kubectl("uncordon", *nodes)
        wait_for_broker()


def lose_topics() -> None:
    """Delete the topics with all their events, and create them again, empty."""
    topics = [t for t in kube.list_of("kafkatopics.kafka.strimzi.io") if t["metadata"]["name"] in TOPICS]
    kubectl("delete", "kafkatopic", *TOPICS, "--wait=true", timeout=120)
    if stand_ins():
        kafka.delete_topics(TOPICS)
    for topic in topics:
        topic["metadata"] = {"name": topic["metadata"]["name"], "labels": topic["metadata"]["labels"]}
        topic.pop("status", None)
    kubectl("create", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": topics}))
    if stand_ins():
        kafka.reconcile_entities()
    kubectl("wait", "kafkatopic", *TOPICS, "--for", "condition=Ready", "--timeout", "120s", timeout=130)


def new_kafka_passwords(*users: str) -> None:
    """Delete the Secrets of Kafka users; the user operator makes new ones with new passwords."""
    kubectl("delete", "secret", *users)
    if stand_ins():
        kafka.reconcile_entities()
    wait.until(lambda: all(kube.secret_data(u) for u in users), "new Secrets of the users", seconds=120, every=1)


def renew_certificates(*names: str) -> None:
    """Make cert-manager issue these Certificates again, as `cmctl renew` does."""
    if stand_ins():
        assert set(certificates.reconcile(frozenset(names))) == set(names)
        return
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    issuing = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "renewed by a test",
               "lastTransitionTime": now}  # fmt: skip
    for name in names:
        certificate = kube.find("certificate", name)
        assert certificate is not None
        others = [c for c in certificate["status"]["conditions"] if c["type"] != "Issuing"]
        patch = json.dumps({"status": {"conditions": [*others, issuing]}})
        kubectl("patch", "certificate", name, "--subresource", "status", "--type", "merge", "--patch", patch)


def set_up_mongodb_again() -> None:
    """Run the Job that initiates the replica set, creates roles and users, and makes mongod reload its certificate."""
    resources = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "k8s/kind")], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    job = next(text for text in resources.split("---\n") if "\nkind: Job\n" in text)
    kubectl("delete", "job", "mongodb-set-up", "--ignore-not-found")
    kubectl("apply", "--filename", "-", stdin=job.replace("retail-orders/order-processor:dev", kind.image()))
    kubectl("wait", "job/mongodb-set-up", "--for", "condition=Complete", "--timeout", "120s", timeout=130)


def lose_mongodb() -> None:
    """Delete MongoDB's volume with all data, and set up an empty MongoDB."""
    kubectl("delete", "pvc", "data-mongodb-0", "--wait=false")
    kubectl("delete", "pod", "mongodb-0", "--wait=true", timeout=120)
    kubectl("rollout", "status", "statefulset/mongodb", "--timeout", "180s", timeout=190)
    set_up_mongodb_again()
