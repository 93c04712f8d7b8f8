"""Runs next to the broker, like Strimzi's entity operator: creates topics, users and rights as standard input says.

Uses nothing but confluent_kafka and the standard library: it is handed to the container as text.
"""

import json
import sys
import time
from typing import Any

from confluent_kafka import KafkaException
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

SECONDS = 30


def make_topics(admin: AdminClient, topics: list[dict[str, Any]]) -> None:
    """Create the topics that are missing, and give every topic its configuration."""
    present = admin.list_topics(timeout=SECONDS).topics
    new = [NewTopic(t["name"], t["partitions"], t["replicas"]) for t in topics if t["name"] not in present]
    for future in admin.create_topics(new, request_timeout=SECONDS).values() if new else ():
        future.result()
    for topic in topics:
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in topic["config"].items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic["name"], incremental_configs=entries)
        for future in admin.incremental_alter_configs([resource], request_timeout=SECONDS).values():
            future.result()


def make_users(admin: AdminClient, users: list[dict[str, Any]]) -> None:
    """Give every user its password."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    changes: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(u["name"], info, u["password"].encode()) for u in users
    ]
    for future in admin.alter_user_scram_credentials(changes, request_timeout=SECONDS).values():
        future.result()


def make_rights(admin: AdminClient, users: list[dict[str, Any]]) -> None:
    """Create missing rights and delete unwanted ones."""
    wanted = {binding for user in users for binding in rights(user)}
    anything: Any = None  # None stands for any name, but the type stubs do not allow it
    everything = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    present = set(admin.describe_acls(everything, request_timeout=SECONDS).result())
    for future in (
        admin.create_acls(list(wanted - present), request_timeout=SECONDS).values() if wanted - present else ()
    ):
        future.result()
    unwanted = [
        AclBindingFilter(
            a.restype, a.name, a.resource_pattern_type, a.principal, a.host, a.operation, a.permission_type
        )
        for a in present - wanted
    ]
    for future in admin.delete_acls(unwanted, request_timeout=SECONDS).values() if unwanted else ():
        future.result()


def rights(user: dict[str, Any]) -> list[AclBinding]:
    """Convert the `acls` of a KafkaUser to Kafka's ACLs, as Strimzi does: allow, from any host unless one is named."""
    bindings = []
    for rule in user["acls"]:
        resource = rule["resource"]
        kind = ResourceType.BROKER if resource["type"] == "cluster" else ResourceType[resource["type"].upper()]
        name = "kafka-cluster" if resource["type"] == "cluster" else resource["name"]
        pattern = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}[
            resource.get("patternType", "literal")
        ]
        for operation in rule["operations"]:
            words = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in operation).strip("_")
            bindings.append(
                AclBinding(
                    kind,
                    name,
                    pattern,
                    f"User:{user['name']}",
                    rule.get("host", "*"),
                    AclOperation[words.upper()],
                    AclPermissionType.ALLOW,
                )
            )
    return bindings


def main() -> None:
    """Create topics, users and rights, as the super-user of the pod's loopback listener."""
    wanted = json.load(sys.stdin)
    admin = AdminClient({"bootstrap.servers": "127.0.0.1:9091"})
    for attempt in range(1, 6):  # a broker that has just started may not know its controller yet
        try:
            make_topics(admin, wanted["topics"])
            make_users(admin, wanted["users"])
            make_rights(admin, wanted["users"])
        except KafkaException:
            if attempt == 5:
                raise
            time.sleep(attempt)
        else:
            return


if __name__ == "__main__":
    main()
