"""Fixtures with real servers.

Each stack has its own folder and ports. It starts when it is first used, and stops after the last test.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest

from local_stack.catalog import SERVICES
from local_stack.stack import Stack, StackOptions
from support.customer import Customer, https

# Tests must not fail because a machine is slow: neither an example nor the generation of inputs has a deadline.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """MongoDB and Kafka with their users, topics and rights, without any service."""
    root = tmp_path_factory.mktemp("servers")
    with Stack(StackOptions(root=root, ports="free", counts=dict.fromkeys(SERVICES, 0))) as stack:
        yield stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole system on this machine: all services, with two replicas of order-api, and the HTTPS proxy."""
    with Stack(StackOptions(root=tmp_path_factory.mktemp("stack"), ports="free")) as stack:
        yield stack


@pytest.fixture
def https_client(stack: Stack) -> Iterator[httpx.Client]:
    """A client of the HTTPS proxy that trusts the certificate authority of the stack."""
    with https(stack.file["base_url"], Path(stack.file["ca"])) as client:
        yield client


@pytest.fixture
def customer(https_client: httpx.Client) -> Customer:
    """A newly registered customer with a token."""
    return Customer(https_client)
