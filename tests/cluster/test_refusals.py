"""Each link refuses what is not TLS, what another authority signed, and who has no password or no right."""

import ssl

import httpx
import pytest

from support import kind
from support.customer import https

pytestmark = pytest.mark.short

KAFKA = """
import os, sys
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
def client(kind, **changes):
    return kind({
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"], "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": os.environ["KAFKA_USERNAME"],
        "sasl.password": open(os.environ["KAFKA_PASSWORD_FILE"]).read(),
        "ssl.ca.location": os.environ["KAFKA_CA_FILE"], "log_level": 0,
        "error_cb": lambda error: seen.append(error.name()),
    } | {key.replace("_", "."): value for key, value in changes.items()})
seen = []
def produce(topic, **changes):
    producer = client(Producer, message_timeout_ms=8000, **changes)
    result = []
    producer.produce(topic, b"refusal test", on_delivery=lambda error, message: result.append(error))
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
    try:
        client(Producer, **changes).list_topics(timeout=6)
        return "connected"
    except KafkaException as error:
        return ",".join(sorted({error.args[0].name(), *seen}))
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


def in_pod(component: str, prelude: str, expression: str) -> str:
    return kind.python(f"deployment/retail-{component}", f"{prelude}\nprint({expression})", container=component)


@pytest.mark.parametrize(
    ("component", "expression"),
    [
        ("order-api", 'consume("orders.placed", "order-processor")'),
        ("order-api", 'consume("orders.placed", "another")'),
        ("order-api", 'produce("orders.placed.dlq")'),
        ("order-api", 'consume("orders.placed.dlq", "another")'),
        ("order-processor", 'produce("orders.placed")'),
        ("order-processor", 'consume("orders.placed.dlq", "order-processor")'),
        ("order-processor", 'produce("another.topic")'),
    ],
)
def test_kafka_refuses_what_a_service_may_not(component: str, expression: str) -> None:
    """order-api cannot read, the processor cannot write, neither touches what is not its own."""
    answer = in_pod(component, KAFKA, expression)

    assert answer in {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PART"}, answer
    if "another.topic" not in expression:
        assert answer != "UNKNOWN_TOPIC_OR_PART"


def test_kafka_lets_a_service_do_its_work() -> None:
    """Otherwise the refusals would prove nothing: with the same client the processor reads and order-api connects."""
    assert in_pod("order-processor", KAFKA, 'consume("orders.placed", "order-processor")') in {"read", "nothing"}
    assert in_pod("order-api", KAFKA, "metadata()") == "connected"


@pytest.mark.parametrize(
    ("component", "work"),
    [
        ("order-api", "lambda db: db.users.find_one()"),
        ("order-api", "lambda db: db.orders.delete_one({'_id': 'none'})"),
        ("order-api", "lambda db: db.orders.drop()"),
        ("order-api", "lambda db: db.client.admin.command('getParameter', '*')"),
        ("order-api", "lambda db: db.client.other.things.insert_one({})"),
        ("auth-api", "lambda db: db.orders.find_one()"),
        ("auth-api", "lambda db: db.orders.insert_one({})"),
        ("auth-api", "lambda db: db.users.drop()"),
        ("order-processor", "lambda db: db.orders.insert_one({'_id': 'none'})"),
        ("order-processor", "lambda db: db.orders.delete_one({'_id': 'none'})"),
        ("order-processor", "lambda db: db.users.find_one()"),
        ("order-processor", "lambda db: db.command('createUser', 'me', pwd='x', roles=[])"),
    ],
)
def test_mongodb_refuses_what_a_service_may_not(component: str, work: str) -> None:
    """Each has only its collections and its verbs."""
    assert in_pod(component, MONGODB, f"attempt({work})") == "Unauthorized"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ("security_protocol='SASL_PLAINTEXT'", {"_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN"}),
        ("ssl_ca_location='/etc/ssl/certs/ca-certificates.crt'", {"_SSL", "_TRANSPORT", "_ALL_BROKERS_DOWN"}),
        ("sasl_password='wrong'", {"_AUTHENTICATION", "_TRANSPORT", "_ALL_BROKERS_DOWN"}),
        ("security_protocol='SSL'", {"_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN"}),
    ],
)
def test_kafka_takes_only_tls_its_authority_and_a_password(changes: str, refusal: set[str]) -> None:
    """Plain text, an unknown authority on our side, a wrong password and none at all: no connection."""
    answer = in_pod("order-api", KAFKA, f"metadata({changes})")

    assert answer != "connected"
    assert set(answer.split(",")) & refusal, answer


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ("tls=False, tlsCAFile=None", {"AutoReconnect", "ServerSelectionTimeoutError"}),
        ("tlsCAFile='/etc/ssl/certs/ca-certificates.crt'", {"ServerSelectionTimeoutError"}),
        ("password='wrong'", {"AuthenticationFailed"}),
        ("uri='mongodb://mongodb-0.mongodb.retail.svc/?directConnection=true'", {"Unauthorized"}),
    ],
)
def test_mongodb_takes_only_tls_its_authority_and_a_password(changes: str, refusal: set[str]) -> None:
    """Plain text, an unknown authority on our side, a wrong password and none at all: nothing is read."""
    assert in_pod("order-api", MONGODB, f"attempt(lambda db: db.orders.find_one(), {changes})") in refusal
    assert in_pod("order-api", MONGODB, "attempt(lambda db: db.orders.find_one())") == "done"


def test_the_door_takes_only_tls_and_our_authority() -> None:
    """Plain HTTP gets no answer that could be mistaken for one, and a client that trusts others does not connect."""
    with pytest.raises(httpx.TransportError):
        httpx.get("http://127.0.0.1:8443/.well-known/jwks.json", timeout=5)
    with pytest.raises(httpx.ConnectError), httpx.Client(verify=ssl.create_default_context()) as other:
        other.get(f"{kind.DOOR}/.well-known/jwks.json")
    with https(kind.DOOR, kind.AUTHORITY) as ours:
        assert ours.get("/.well-known/jwks.json").status_code == 200


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


def test_the_pods_door_takes_only_tls_and_our_authority() -> None:
    """The link from order-api to auth-api: plain HTTP is 400, a foreign authority is refused, ours is answered."""
    host = '"retail-auth-api.retail.svc"'

    assert in_pod("order-api", HTTP, f"ask({host}, plain=True)") == "400"
    assert in_pod("order-api", HTTP, f"ask({host})") == "SSLCertVerificationError"
    assert in_pod("order-api", HTTP, f"ask({host}, ca='/etc/retail/auth-api-ca.crt')") == "200"
