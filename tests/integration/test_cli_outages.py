"""The `retail` command while MongoDB or Kafka is unreachable, or with a wrong password."""

import socket
import time
from collections.abc import Iterator

import pytest

from local_stack.stack import Stack
from support.operator import OrderSeeder, retail

pytestmark = pytest.mark.usefixtures("quiet_command")


@pytest.fixture(params=["no listener", "no answer"])
def dead_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port that refuses connections, or accepts them and never responds."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if request.param == "no answer":
            server.listen(64)
        yield server.getsockname()[1]


def test_unreachable_mongodb_prints_one_error_and_exits_with_3(servers: Stack, dead_port: int) -> None:
    uri = servers.client("operator")["MONGODB_URI"]
    host = uri.split("@")[1].split("/")[0]
    begun = time.monotonic()

    result = retail(servers, "outbox", "status", MONGODB_URI=uri.replace(host, f"127.0.0.1:{dead_port}"))

    assert result.exit_code == 3
    assert result.stderr.startswith("retail: MongoDB is unavailable: ")
    assert len(result.stderr.splitlines()) == 1
    assert uri.split("@")[0].split(":")[2] not in result.output
    assert time.monotonic() - begun < 10


def test_unreachable_kafka_prints_one_error_and_exits_with_3(
    servers: Stack, seeder: OrderSeeder, dead_port: int
) -> None:
    orderid = seeder.insert()
    begun = time.monotonic()

    result = retail(servers, "orders", "show", orderid, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{dead_port}")

    assert result.exit_code == 3
    assert f"Order {orderid}" in result.stdout
    assert "Kafka is unavailable: 127.0.0.1:" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert time.monotonic() - begun < 10


def test_wrong_kafka_password_is_named_as_the_cause(servers: Stack) -> None:
    result = retail(servers, "dead-letters", "list", KAFKA_PASSWORD="wrong")

    assert result.exit_code == 3
    assert "authentication" in result.stderr.lower()
