"""The Kubernetes objects of the stand-in's single Kafka broker, named as Strimzi names them."""

from typing import Any

from support.stand_ins.kube import NAMESPACE, Resource

FOLDER = "broker.pem"
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
RUN = (
    f"kafka-java kafka.tools.StorageTool format --ignore-formatted --cluster-id {CLUSTER_ID}"
    " --config /etc/kafka/server.properties && exec kafka-java kafka.Kafka /etc/kafka/server.properties"
)


def properties(cluster: Resource, pool: Resource) -> str:
    """Return server.properties: Strimzi's listeners and the `config` of the Kafka resource."""
    name = cluster["metadata"]["name"]
    kafka = cluster["spec"]["kafka"]
    host = f"{name}-{pool['metadata']['name']}-0.{name}-kafka-brokers.{NAMESPACE}.svc"
    (listener,) = kafka["listeners"]
    if not (listener["tls"] and listener["authentication"]["type"] == "scram-sha-512"):
        raise RuntimeError("the stand-in for Strimzi supports only one listener, with TLS and SCRAM-SHA-512")
    if kafka["authorization"] != {"type": "simple"}:
        raise RuntimeError("the stand-in for Strimzi supports only simple authorization")
    port = listener["port"]
    client = f"{listener['name'].upper()}-{port}"
    prefix = f"listener.name.{client.lower()}"
    lines = {
        "process.roles": "broker,controller",
        "node.id": 0,
        "controller.quorum.voters": "0@localhost:9090",
        "listeners": f"{client}://:{port},REPLICATION-9091://127.0.0.1:9091,CONTROLPLANE-9090://127.0.0.1:9090",
        "advertised.listeners": f"{client}://{host}:{port},REPLICATION-9091://localhost:9091",
        "listener.security.protocol.map": f"{client}:SASL_SSL,REPLICATION-9091:PLAINTEXT,CONTROLPLANE-9090:PLAINTEXT",
        "inter.broker.listener.name": "REPLICATION-9091",
        "controller.listener.names": "CONTROLPLANE-9090",
        f"{prefix}.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        f"{prefix}.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        f"{prefix}.ssl.keystore.type": "PEM",
        f"{prefix}.ssl.keystore.location": f"/etc/kafka-tls/{FOLDER}",
        f"{prefix}.ssl.client.auth": "none",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Anonymous clients have all rights: they can connect only on the pod's loopback.
        "super.users": "User:ANONYMOUS",
        "log.dirs": "/var/lib/kafka/data-0/kafka-log0",
        **kafka.get("config", {}),
    }
    return "".join(
        f"{key}={str(value).lower() if isinstance(value, bool) else value}\n" for key, value in lines.items()
    )


def objects(
    cluster: Resource, pool: Resource, *, config: str, digest: str, image: str, own_image: str
) -> list[Resource]:
    """Return Services, NetworkPolicy, configuration and the broker's StatefulSet."""
    name = cluster["metadata"]["name"]
    (listener,) = cluster["spec"]["kafka"]["listeners"]
    labels = {"strimzi.io/cluster": name, "strimzi.io/kind": "Kafka", "strimzi.io/name": f"{name}-kafka"}
    port = {"name": f"tcp-{listener['name']}", "port": listener["port"]}
    made = [
        _object("v1", "Service", f"{name}-kafka-bootstrap", labels, {"selector": labels, "ports": [port]}),
        _object(
            "v1", "Service", f"{name}-kafka-brokers", labels,
            {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": labels, "ports": [port]},
        ),
        _object(
            "networking.k8s.io/v1", "NetworkPolicy", f"{name}-network-policy-kafka", labels,
            {
                "podSelector": {"matchLabels": labels},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": listener["port"]}], "from": listener["networkPolicyPeers"]}],
            },
        ),
        _object("apps/v1", "StatefulSet", f"{name}-{pool['metadata']['name']}", labels, {
            "serviceName": f"{name}-kafka-brokers",
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {"stand-in/configuration": digest}},
                "spec": _pod(name, pool, image, own_image),
            },
            "volumeClaimTemplates": [{
                "metadata": {"name": "data-0"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": pool["spec"]["storage"]["volumes"][0]["size"]}},
                },
            }],
        }),
    ]  # fmt: skip
    configuration = _object("v1", "ConfigMap", f"{name}-kafka-config", labels, {})
    del configuration["spec"]
    return [configuration | {"data": {"server.properties": config}}, *made]


def _object(api_version: str, kind: str, name: str, labels: dict[str, str], spec: Resource) -> Resource:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}


def _pod(cluster: str, pool: Resource, image: str, own_image: str) -> dict[str, Any]:
    options = pool["spec"].get("jvmOptions", {})
    heap = f"-Xms{options.get('-Xms', '256m')} -Xmx{options.get('-Xmx', '512m')}"
    probe = {"tcpSocket": {"port": 9093}, "periodSeconds": 3, "failureThreshold": 40}
    user = {"runAsNonRoot": True, "runAsUser": 1001, "runAsGroup": 1001, "fsGroup": 1001}
    template: dict[str, Any] = pool["spec"].get("template", {}).get("pod", {})
    return template | {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": user | {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "kafka",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["bash", "-c", RUN],
                "env": [{"name": "KAFKA_HEAP_OPTS", "value": heap}],
                "securityContext": CONFINED,
                "resources": pool["spec"]["resources"],
                "startupProbe": probe,
                "readinessProbe": probe | {"failureThreshold": 3},
                "volumeMounts": [
                    {"name": "data-0", "mountPath": "/var/lib/kafka/data-0"},
                    {"name": "config", "mountPath": "/etc/kafka", "readOnly": True},
                    {"name": "tls", "mountPath": "/etc/kafka-tls", "readOnly": True},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
                ],
            },
            {
                "name": "entity-operator",
                "image": own_image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["python", "-c", "import signal; signal.sigwait([signal.SIGTERM])"],
                "securityContext": CONFINED,
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"cpu": "1", "memory": "128Mi"},
                },
            },
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": f"{cluster}-kafka-config"}},
            {"name": "tls", "secret": {"secretName": f"{cluster}-kafka-brokers-tls", "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }
