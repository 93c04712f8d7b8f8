"""Connections in plain text, with another CA or a wrong password fail; so do operations that a user has no right to."""

import httpx
import pytest

from support import kind
from support.customer import https

pytestmark = pytest.mark.short

KAFKA = """
import os, sys
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
def client(kind, seen=None, **changes):
    return kind({"error_cb": lambda error: (seen or set()).add(error.name()),
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"], "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": os.environ["KAFKA_USERNAME"],
        "sasl.password": open(os.environ["KAFKA_PASSWORD_FILE"]).read(),
        "ssl.ca.location": os.environ["KAFKA_CA_FILE"], "log_level": 0,
    } | {key.replace("_", "."): value for key, value in changes.items()})
def produce(topic, **changes):
    producer = client(Producer, message_timeout_ms=8000, **changes)
    result = []
    producer.produce(topic, b"rejection test", on_delivery=lambda error, message: result.append(error))
    producer.flush(10)
    return result[0].name() if result and result[0] else "written"
def consume(topic, group, **changes):
    consumer = client(Consumer, group_id=group, auto_offset_reset="earliest", **changes)
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(8)
    for _ in range(20):
        if message is None or message.error() is None: break
        if message.error().code() != KafkaError._PARTITION_EOF: break
        message = consumer.poll(1)
    consumer.close()
    return "nothing" if message is None else message.error().name() if message.error() else "read"
def metadata(**changes):
    seen = {"none"}
    producer = client(Producer, seen, **changes)
    try:
        producer.list_topics(timeout=6)
        return "connected"
    except KafkaException as error:
        producer.poll(0)
        return ",".join(sorted({error.args[0].name(), *seen} - {"none"}))
"""
MONGODB = """
import os
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
uri = open(os.environ["MONGODB_URI_FILE"]).read()
def client(uri=uri, **changes):
    options = {"tls": True, "tlsCAFile": os.environ["MONGODB_CA_FILE"], "serverSelectionTimeoutMS": 4000} | changes
    return MongoClient(uri, **options)
def attempt(work, **changes):
    try:
        work(client(**changes).retail)
        return "done"
    except OperationFailure as error:
        return error.details.get("codeName", str(error.code)) if error.details else str(error)
    except PyMongoError as error:
        return type(error).__name__
"""


def in_pod(component: str, prelude: str, expressions: list[str]) -> dict[str, str]:
    return kind.evaluate(f"deployment/retail-{component}", prelude, expressions, container=component)


@pytest.mark.parametrize(
    ("component", "attempts", "work"),
    [
        (
            "order-api",
            [
                'consume("orders.placed", "order-processor")',
                'consume("orders.placed", "another")',
                'consume("orders.placed.dlq", "another")',
                'produce("orders.placed.dlq")',
            ],
            "metadata()",
        ),
        (
            "order-processor",
            ['produce("orders.placed")', 'consume("orders.placed.dlq", "order-processor")'],
            'consume("orders.placed", "order-processor")',
        ),
    ],
)
def test_kafka_denies_operations_outside_a_services_rights(component: str, attempts: list[str], work: str) -> None:
    """order-api can connect but not read events; order-processor can read events but not write them."""
    answers = in_pod(component, KAFKA, [*attempts, work])

    assert answers.pop(work) in {"connected", "read", "nothing"}
    assert set(answers) == set(attempts)
    assert set(answers.values()) <= {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"}, answers


@pytest.mark.parametrize(
    ("component", "attempts", "work"),
    [
        (
            "order-api",
            [
                "db.users.find_one()",
                "db.orders.delete_one({'_id': 'none'})",
                "db.orders.drop()",
                "db.client.admin.command('getParameter', '*')",
                "db.client.other.things.insert_one({})",
            ],
            "db.orders.find_one()",
        ),
        (
            "auth-api",
            ["db.orders.find_one()", "db.orders.insert_one({})", "db.users.drop()"],
            "db.users.find_one()",
        ),
        (
            "order-processor",
            [
                "db.orders.insert_one({'_id': 'none'})",
                "db.orders.delete_one({'_id': 'none'})",
                "db.users.find_one()",
                "db.command('createUser', 'me', pwd='x', roles=[])",
            ],
            "db.orders.find_one()",
        ),
    ],
)
def test_mongodb_denies_operations_outside_a_services_rights(component: str, attempts: list[str], work: str) -> None:
    """Operations outside a service's role return Unauthorized, and a read that it needs succeeds."""
    calls = {f"attempt(lambda db: {text})": text for text in [*attempts, work]}
    answers = {calls[call]: answer for call, answer in in_pod(component, MONGODB, list(calls)).items()}

    assert answers.pop(work) == "done"
    assert answers == dict.fromkeys(attempts, "Unauthorized")


def test_kafka_requires_tls_its_ca_and_a_password() -> None:
    """No client connects to Kafka in plain text, with another CA, with a wrong password or without a password."""
    transport = {"_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN"}
    attempts = {
        "metadata(security_protocol='SASL_PLAINTEXT')": transport,
        "metadata(ssl_ca_location='/etc/ssl/certs/ca-certificates.crt')": {"_SSL", *transport},
        "metadata(sasl_password='wrong')": {"_AUTHENTICATION", *transport},
        "metadata(security_protocol='SSL')": transport,
    }
    answers = in_pod("order-api", KAFKA, [*attempts, "metadata()"])

    assert answers.pop("metadata()") == "connected"
    assert set(answers) == set(attempts)
    for attempt, answer in answers.items():
        assert set(answer.split(",")) & attempts[attempt], (attempt, answer)


def test_mongodb_requires_tls_its_ca_and_a_password() -> None:
    """No client reads from MongoDB in plain text, with another CA, with a wrong password or without a password."""
    unreachable = {"AutoReconnect", "ServerSelectionTimeoutError"}
    without_login = "mongodb://mongodb-0.mongodb.retail.svc/?directConnection=true"
    find = "lambda db: db.orders.find_one()"
    attempts = {
        f"attempt({find}, tls=False, tlsCAFile=None)": unreachable,
        f"attempt({find}, tlsCAFile='/etc/ssl/certs/ca-certificates.crt')": unreachable,
        f"attempt({find}, password='wrong')": {"AuthenticationFailed"},
        f"attempt({find}, uri={without_login!r})": {"Unauthorized"},
    }
    answers = in_pod("order-api", MONGODB, [*attempts, f"attempt({find})"])

    assert answers.pop(f"attempt({find})") == "done"
    assert set(answers) == set(attempts)
    for attempt, answer in answers.items():
        assert answer in attempts[attempt], (attempt, answer)


def test_plain_http_and_clients_without_the_ca_fail_at_the_gateway() -> None:
    """At the gateway, plain HTTP fails, and a client that does not trust the cluster's CA does not connect."""
    with pytest.raises(httpx.TransportError):
        httpx.get("http://127.0.0.1:8443/.well-known/jwks.json", timeout=5)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{kind.BASE_URL}/.well-known/jwks.json", timeout=5)
    with https(kind.BASE_URL, kind.CA_FILE) as client:
        assert client.get("/.well-known/jwks.json").status_code == 200


HTTP = """
import http.client, ssl
def ask(host, plain=False, ca=None):
    try:
        if plain:
            connection = http.client.HTTPConnection(host, 8443, timeout=5)
        else:
            context = ssl.create_default_context(cafile=ca)
            connection = http.client.HTTPSConnection(host, 8443, timeout=5, context=context)
        connection.request("GET", "/.well-known/jwks.json")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
"""


def test_pod_proxy_requires_tls_and_the_right_ca() -> None:
    """From order-api to auth-api's proxy: plain HTTP gets 400, and a client without the right CA does not connect."""
    host = "'retail-auth-api.retail.svc'"
    expected = {
        f"ask({host}, plain=True)": "400",
        f"ask({host})": "SSLCertVerificationError",
        f"ask({host}, ca='/etc/retail/auth-api-ca.crt')": "200",
    }

    assert in_pod("order-api", HTTP, list(expected)) == expected
