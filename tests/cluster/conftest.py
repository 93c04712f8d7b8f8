"""Tests of the system in the kind cluster that `make kind-up` creates.

Only `make kind-test` and `make kind-test-short` run them.
"""

import os
from collections.abc import Iterator

import httpx
import pytest

from support import kind
from support.customer import Customer, https

collect_ignore_glob = [] if os.environ.get("KIND_TESTS") else ["test_*.py"]


@pytest.fixture(scope="session")
def https_client() -> Iterator[httpx.Client]:
    """An HTTPS client outside the cluster that trusts the cluster's certificate authority."""
    with https(kind.BASE_URL, kind.CA_FILE) as client:
        yield client


@pytest.fixture(scope="session")
def customer(https_client: httpx.Client) -> Customer:
    return Customer(https_client)


@pytest.fixture(autouse=True)
def everything_is_ready() -> None:
    """Before each test, wait until all replicas are ready again."""
    for component in kind.COMPONENTS:
        kind.rollout(component)
