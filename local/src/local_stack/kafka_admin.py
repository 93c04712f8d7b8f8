"""Creates Kafka's users, their rights and the topics from the Strimzi resources in `k8s/kafka`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from local_stack.errors import StackError
from local_stack.options import REPOSITORY

RESOURCES = REPOSITORY / "k8s" / "kafka"
SECONDS = 15.0
ANYTHING = AclBindingFilter(
    ResourceType.ANY,
    None,  # type: ignore[arg-type]  # any name, according to the library's documentation
    ResourcePatternType.ANY,
    None,  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    AclOperation.ANY,
    AclPermissionType.ANY,
)
SCRAM = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)


def users() -> list[str]:
    """Return the names of the users in `k8s/kafka`."""
    return [user["metadata"]["name"] for user in _read("users.yaml")]


def connect(bootstrap: str, *, ca: Path, certificate: Path) -> AdminClient:
    """Return the administrator's client; the file `certificate` contains its key, followed by its certificate."""
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "security.protocol": "SSL",
            "ssl.ca.location": str(ca),
            "ssl.key.location": str(certificate),
            "ssl.certificate.location": str(certificate),
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
        }
    )


def prepare(client: AdminClient, *, brokers: int, passwords: Mapping[str, str], seconds: float = 120) -> None:
    """Create or update users, rights and topics from `k8s/kafka`. StackError if this still fails after `seconds`."""
    deadline = time.monotonic() + seconds
    for step in (
        lambda: _await_brokers(client, brokers),
        lambda: _update_users(client, passwords),
        lambda: _update_rights(client),
        lambda: _update_topics(client, brokers),
        lambda: _await_topics(client),
    ):
        _retry(step, deadline)


def _await_brokers(client: AdminClient, brokers: int) -> None:
    if len(client.list_topics(timeout=SECONDS).brokers) < brokers:
        raise KafkaException(KafkaError(KafkaError.BROKER_NOT_AVAILABLE, "not all brokers have joined"))


def _update_users(client: AdminClient, passwords: Mapping[str, str]) -> None:
    changes: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(name, SCRAM, password.encode()) for name, password in passwords.items()
    ]
    _results(client.alter_user_scram_credentials(changes, request_timeout=SECONDS))


def _update_rights(client: AdminClient) -> None:
    wanted = set(_rights())
    present = set(client.describe_acls(ANYTHING, request_timeout=SECONDS).result())
    if surplus := present - wanted:
        _results(client.delete_acls([_filter_for(right) for right in surplus], request_timeout=SECONDS))
    if missing := wanted - present:
        _results(client.create_acls(list(missing), request_timeout=SECONDS))


def _rights() -> Iterator[AclBinding]:
    for user in _read("users.yaml"):
        for rule in user["spec"]["authorization"]["acls"]:
            resource = rule["resource"]
            pattern = "prefixed" if resource.get("patternType") == "prefix" else "literal"
            kind, name = ResourceType["BROKER"], "kafka-cluster"  # the client library's name for the cluster
            if resource["type"] != "cluster":
                kind, name = ResourceType[resource["type"].upper()], resource["name"]
            for operation in rule["operations"]:
                yield AclBinding(
                    kind,
                    name,
                    ResourcePatternType[pattern.upper()],
                    f"User:{user['metadata']['name']}",
                    "*",
                    AclOperation[_upper_snake(operation)],
                    AclPermissionType.ALLOW,
                )


def _filter_for(right: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        right.restype,
        right.name,
        right.resource_pattern_type,
        right.principal,
        right.host,
        right.operation,
        right.permission_type,
    )


def _update_topics(client: AdminClient, brokers: int) -> None:
    present = client.list_topics(timeout=SECONDS).topics
    for topic in _read("topics.yaml"):
        name, spec = topic["metadata"]["name"], topic["spec"]
        replicas = min(spec["replicas"], brokers)
        config = {key: str(value) for key, value in spec["config"].items()}
        config["min.insync.replicas"] = str(min(int(config["min.insync.replicas"]), replicas))
        if name in present:
            entries = [
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in config.items()
            ]
            resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
            _results(client.incremental_alter_configs([resource], request_timeout=SECONDS))
        else:
            new = NewTopic(name, spec["partitions"], replicas, config=config)
            _results(client.create_topics([new], operation_timeout=SECONDS, request_timeout=SECONDS))


def _await_topics(client: AdminClient) -> None:
    """Raise KafkaException unless the brokers know all topics: they learn of a new one with a short delay."""
    present = client.list_topics(timeout=SECONDS).topics
    if any(topic["metadata"]["name"] not in present for topic in _read("topics.yaml")):
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "not all topics are known to the brokers"))


def _read(name: str) -> list[dict[str, Any]]:
    with (RESOURCES / name).open(encoding="utf-8") as file:
        return list(yaml.safe_load_all(file))


def _upper_snake(name: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in name).lstrip("_").upper()


def _results(futures: Mapping[Any, Any]) -> Sequence[Any]:
    return [future.result(SECONDS) for future in futures.values()]


def _retry(step: Callable[[], None], deadline: float) -> None:
    while True:
        try:
            return step()
        except (KafkaException, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise StackError(f"Kafka could not be set up: {error}") from error
            time.sleep(0.2)
