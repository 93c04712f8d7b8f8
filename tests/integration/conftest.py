"""Shared fixtures of the integration tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from local_stack.stack import Stack
from retail_cli.main import disable_logs
from shared.ordering import schema
from support.operator import OrderSeeder, seeding
from support.seeded_orders import SeededOrders
from support.servers import database


@pytest.fixture
def seeded(servers: Stack, tmp_path: Path) -> Iterator[SeededOrders]:
    with database(servers, "order-api") as as_api, database(servers, "admin") as as_admin:
        schema.ensure(as_api[schema.COLLECTION])
        seeded = SeededOrders(servers, as_api, as_admin, tmp_path)
        yield seeded
        as_admin.orders.delete_many({"userid": seeded.user})


@pytest.fixture
def quiet_command() -> Iterator[None]:
    """Switch logs off during the test, as the operator's command does; the tests call the command's functions."""
    disable_logs()
    yield
    structlog.reset_defaults()


@pytest.fixture
def seeder(servers: Stack) -> Iterator[OrderSeeder]:
    """Inserts orders on servers without services; the orders are deleted after the test."""
    with seeding(servers) as seeder:
        yield seeder
