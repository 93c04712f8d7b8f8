"""The users of MongoDB and Kafka have only the rights that they need."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import AdminClient, ConfigResource
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from local_stack.stack import Stack
from shared import kafka
from support.servers import connection

UNAUTHORIZED, AUTHENTICATION_FAILED = 13, 18
TOPICS = Path(__file__).parents[2] / "k8s" / "kafka" / "topics.yaml"


def database(stack: Stack, user: str, **options: Any) -> Any:
    values = stack.client(user)
    client: MongoClient[dict[str, Any]] = MongoClient(
        values["MONGODB_URI"], tlsCAFile=values["MONGODB_CA_FILE"], serverSelectionTimeoutMS=10_000, **options
    )
    return client[values["MONGODB_DATABASE"]]


def administrator(stack: Stack) -> AdminClient:
    values = stack.client("admin")
    return AdminClient(
        {
            "bootstrap.servers": values["KAFKA_BOOTSTRAP_SERVERS"],
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": values["KAFKA_USERNAME"],
            "sasl.password": values["KAFKA_PASSWORD"],
            "ssl.ca.location": values["KAFKA_CA_FILE"],
        }
    )


@pytest.mark.parametrize(
    ("user", "collection", "operation"),
    [
        ("order-api", "users", "find_one"),
        ("order-api", "orders", "delete_one"),
        ("auth-api", "orders", "find_one"),
        ("auth-api", "users", "delete_one"),
        ("order-processor", "orders", "insert_one"),
        ("order-processor", "orders", "delete_one"),
        ("order-processor", "users", "find_one"),
        ("operator", "orders", "delete_one"),
        ("operator", "users", "find_one"),
    ],
)
def test_mongodb_denies_operations_outside_the_role(servers: Stack, user: str, collection: str, operation: str) -> None:
    db = database(servers, user)
    with db.client, pytest.raises(OperationFailure) as rejection:
        getattr(db[collection], operation)({"_id": "none"})

    assert rejection.value.code == UNAUTHORIZED


def test_mongodb_denies_wrong_password_and_unknown_user(servers: Stack) -> None:
    wrong, nobody = database(servers, "order-api", password="wrong"), database(servers, "order-api", username="nobody")
    for db in (wrong, nobody):
        with db.client, pytest.raises(OperationFailure) as rejection:
            db.orders.find_one()

        assert rejection.value.code == AUTHENTICATION_FAILED


def test_mongodb_does_not_negotiate_zlib_compression(servers: Stack) -> None:
    """With zlib, a client without a login could read MongoDB's memory (CVE-2025-14847)."""
    db = database(servers, "order-api")
    with db.client:
        assert db.client.admin.command("hello", compression=["zlib"]).get("compression", []) == []
        assert db.client.admin.command("hello", compression=["zlib", "snappy"])["compression"] == ["snappy"]


def test_mongodb_runs_no_javascript(servers: Stack) -> None:
    db = database(servers, "order-api")
    with db.client, pytest.raises(OperationFailure, match=r"(?i)javascript|scriptengine"):
        db.orders.find_one({"$where": "true"})


@pytest.mark.parametrize(
    ("user", "topic", "rejected"),
    [
        ("order-api", "orders.placed", False),
        ("order-api", "orders.placed.dlq", True),
        ("order-processor", "orders.placed", True),
        ("order-processor", "orders.placed.dlq", False),
        ("operator", "orders.placed", True),
        ("operator", "orders.placed.dlq", True),
    ],
)
def test_user_writes_only_to_its_own_topic(servers: Stack, user: str, topic: str, rejected: bool) -> None:
    producer = kafka.producer(connection(servers, user), lambda _error: None, **{"enable.idempotence": False})
    codes: list[int] = []
    producer.produce(topic, b"{}", on_delivery=lambda error, _message: codes.append(error.code() if error else 0))

    assert producer.flush(20) == 0
    assert codes == [kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED if rejected else 0]


@pytest.mark.parametrize(("user", "group"), [("order-api", "order-processor"), ("order-processor", "another-group")])
def test_user_cannot_join_another_group(servers: Stack, user: str, group: str) -> None:
    errors: list[Any] = []
    consumer = kafka.consumer(connection(servers, user), group, errors.append)
    consumer.subscribe(["orders.placed"])
    try:
        message = consumer.poll(20)

        error = message.error() if message else None
        assert error
        assert error.code() in {
            kafka.KafkaError.GROUP_AUTHORIZATION_FAILED,
            kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
        }
    finally:
        consumer.close()


def test_topics_have_the_settings_of_the_strimzi_resources(servers: Stack) -> None:
    admin = administrator(servers)
    topics = admin.list_topics(timeout=15).topics
    with TOPICS.open(encoding="utf-8") as file:
        for resource in yaml.safe_load_all(file):
            name, spec = resource["metadata"]["name"], resource["spec"]
            config = ConfigResource(ConfigResource.Type.TOPIC, name)
            present = admin.describe_configs([config])[config].result(15)
            wanted = {key: str(value) for key, value in spec["config"].items()}
            wanted["min.insync.replicas"] = "1"  # the test stack has one broker

            assert len(topics[name].partitions) == spec["partitions"]
            assert {key: present[key].value for key in wanted} == wanted


def test_request_for_an_unknown_topic_does_not_create_it(servers: Stack) -> None:
    admin = administrator(servers)

    assert "no.such.topic" not in admin.list_topics(timeout=15).topics
    admin.list_topics("no.such.topic", timeout=15)
    assert "no.such.topic" not in admin.list_topics(timeout=15).topics


def test_second_prepare_succeeds_and_users_can_still_log_in(servers: Stack) -> None:
    servers.prepare()

    db = database(servers, "order-api")
    with db.client:
        assert db.orders.find_one({"_id": "none"}) is None
