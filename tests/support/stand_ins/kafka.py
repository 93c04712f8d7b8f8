"""The work of Strimzi: broker, Service, certificates, users and topics, as the Kafka resources describe them.

It supports only one node. It differs from Strimzi only inside the Kafka cluster: controller and inter-broker traffic
stays on the pod's loopback, and the entity operator is a second container in the pod of the broker.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from support.stand_ins import kube, pki
from support.stand_ins.broker import FOLDER, objects, properties

ENTITIES = (Path(__file__).parent / "entities.py").read_text()


def reconcile(image: str, own_image: str) -> None:
    """Create the broker of the only Kafka resource, wait for it, then create topics, users and rights."""
    (cluster,) = kube.list_of("kafkas.kafka.strimzi.io")
    name = cluster["metadata"]["name"]
    (pool,) = _of(name, "kafkanodepools.kafka.strimzi.io")
    if pool["spec"]["replicas"] != 1 or set(pool["spec"]["roles"]) != {"broker", "controller"}:
        raise RuntimeError("the stand-in for Strimzi supports only one node that is broker and controller")
    pair = _certificates(name)
    config = properties(cluster, pool)
    digest = hashlib.sha256((config + pair.certificate).encode()).hexdigest()[:16]
    kube.apply(objects(cluster, pool, config=config, digest=digest, image=image, own_image=own_image))
    stateful_set = f"statefulset/{name}-{pool['metadata']['name']}"
    kube.kubectl("rollout", "status", stateful_set, "--timeout", "180s", timeout=200)
    kube.set_ready("kafkas.kafka.strimzi.io", name)
    reconcile_entities(name, f"{name}-{pool['metadata']['name']}-0")


def reconcile_entities(cluster: str = "retail", pod: str = "retail-broker-0") -> None:
    """Create or change topics, users, passwords and rights as the resources say; create missing Secrets of users."""
    topics = [
        {
            "name": topic["spec"].get("topicName", topic["metadata"]["name"]),
            "partitions": topic["spec"]["partitions"],
            "replicas": topic["spec"]["replicas"],
            "config": {key: _text(value) for key, value in topic["spec"].get("config", {}).items()},
        }
        for topic in _of(cluster, "kafkatopics.kafka.strimzi.io")
    ]
    users = []
    for user in _of(cluster, "kafkausers.kafka.strimzi.io"):
        if user["spec"]["authentication"]["type"] != "scram-sha-512":
            raise RuntimeError(f"KafkaUser {user['metadata']['name']}: the stand-in supports only scram-sha-512")
        password = _password(cluster, user["metadata"]["name"])
        users.append(
            {"name": user["metadata"]["name"], "password": password, "acls": user["spec"]["authorization"]["acls"]}
        )
    wanted = json.dumps({"topics": topics, "users": users})
    script = ("exec", "--stdin", pod, "--container", "entity-operator", "--", "python", "-c", ENTITIES)
    kube.kubectl(*script, stdin=wanted, timeout=90)
    for topic in topics:
        kube.set_ready("kafkatopics.kafka.strimzi.io", str(topic["name"]), topicName=topic["name"])
    for user in users:
        kube.set_ready("kafkausers.kafka.strimzi.io", str(user["name"]), username=user["name"], secret=user["name"])


def delete_topics(topics: Sequence[str], pod: str = "retail-broker-0") -> None:
    """Delete topics with their events, as the topic operator does when their resources are deleted."""
    code = f"""
from confluent_kafka.admin import AdminClient
admin = AdminClient({{"bootstrap.servers": "127.0.0.1:9091"}})
for future in admin.delete_topics({list(topics)!r}).values():
    future.result()
"""
    kube.kubectl("exec", pod, "--container", "entity-operator", "--", "python", "-c", code, timeout=90)


def _of(cluster: str, kind: str) -> list[kube.Resource]:
    """Return the resources with the cluster's label; like Strimzi, ignore all others."""
    return [r for r in kube.list_of(kind) if r["metadata"].get("labels", {}).get("strimzi.io/cluster") == cluster]


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _certificates(cluster: str) -> pki.Pair:
    """Create the cluster's authority and the broker's certificate if they are missing."""
    labels = {"strimzi.io/cluster": cluster}
    data = kube.secret_data(f"{cluster}-cluster-ca")
    ca_cert = kube.secret_data(f"{cluster}-cluster-ca-cert")
    if data is None or ca_cert is None:
        made = pki.authority("cluster-ca v0")
        kube.apply(
            [
                kube.secret(f"{cluster}-cluster-ca", {"ca.key": made.key}, labels),
                kube.secret(f"{cluster}-cluster-ca-cert", {"ca.crt": made.certificate}, labels),
            ]
        )
        authority = made
    else:
        authority = pki.Pair(ca_cert["ca.crt"], data["ca.key"])
    name = f"{cluster}-kafka-brokers-tls"
    broker = kube.secret_data(name)
    names = tuple(
        f"{host}{suffix}"
        for host in (f"{cluster}-kafka-bootstrap", f"*.{cluster}-kafka-brokers")
        for suffix in ("", f".{kube.NAMESPACE}", f".{kube.NAMESPACE}.svc", f".{kube.NAMESPACE}.svc.cluster.local")
    )
    if broker is None or data is None:
        pair = pki.leaf(f"{cluster}-kafka", authority, names=names, days=365)
        kube.apply([kube.secret(name, {FOLDER: pair.key + pair.certificate}, labels)])
        return pair
    return pki.Pair(broker[FOLDER], "")


def _password(cluster: str, user: str) -> str:
    data = kube.secret_data(user)
    if data is not None:
        return data["password"]
    password = secrets.token_urlsafe(24)
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    content = {
        "password": password,
        "sasl.jaas.config": f'{module} required username="{user}" password="{password}";',
    }
    kube.apply([kube.secret(user, content, {"strimzi.io/cluster": cluster, "strimzi.io/kind": "KafkaUser"})])
    return password
