"""Creating the validator and the indexes of the orders collection."""

import hashlib
import json
from typing import Any

import pytest
from pymongo import _csot
from pymongo.errors import OperationFailure

from shared.ordering import schema


class Orders:
    """A collection without indexes; `limits` holds the time limit in seconds of each operation called."""

    name = "orders"

    def __init__(self) -> None:
        self.database = self
        self.limits: dict[str, float | None] = {}

    def create_collection(self, *_: Any, **__: Any) -> None:
        self.limits["create_collection"] = _csot.remaining()

    def list_indexes(self) -> list[Any]:
        return []

    def create_indexes(self, _: Any) -> None:
        self.limits["create_indexes"] = _csot.remaining()


def test_only_index_builds_have_a_long_time_limit() -> None:
    orders: Any = Orders()
    schema.ensure(orders)

    assert orders.limits["create_collection"] is None  # no special limit: the client's default applies
    assert orders.limits["create_indexes"] > 500


class PresentOrders(Orders):
    """An existing collection with a validator."""

    def __init__(self, validator: dict[str, Any]) -> None:
        super().__init__()
        self.validator = validator

    def create_collection(self, *_: Any, **__: Any) -> None:
        raise OperationFailure("it exists", code=schema.NAMESPACE_EXISTS)

    def list_collections(self, **_: Any) -> list[dict[str, Any]]:
        return [{"name": "orders", "options": {"validator": self.validator} if self.validator else {}}]

    def command(self, name: str, collection: str, *, validator: dict[str, Any], **_: Any) -> None:
        assert (name, collection) == ("collMod", "orders")
        self.validator = validator


def titled(version: int) -> dict[str, Any]:
    return {"$jsonSchema": {"title": f"orders, version {version}", "bsonType": "object"}}


@pytest.mark.parametrize("version", [schema.VERSION, schema.VERSION + 1])
def test_validator_of_same_or_later_version_stays(version: int) -> None:
    orders: Any = PresentOrders(titled(version))

    schema.ensure(orders)

    assert orders.validator == titled(version)


@pytest.mark.parametrize(
    "validator",
    [{}, {"$jsonSchema": {"bsonType": "object"}}, titled(schema.VERSION - 1), {"$and": [titled(9), {}]}],
    ids=["none", "of the first release", "of an earlier version", "of another form"],
)
def test_earlier_or_unknown_validator_is_replaced(validator: dict[str, Any]) -> None:
    orders: Any = PresentOrders(validator)

    schema.ensure(orders)

    assert orders.validator == schema.VALIDATOR


def test_validator_changes_only_with_its_version() -> None:
    """If this fails: check that the validator accepts all that it accepted before, raise VERSION, update the digest."""
    digest = hashlib.sha256(json.dumps(schema.VALIDATOR, sort_keys=True).encode()).hexdigest()

    assert (schema.VERSION, digest) == (2, "e7e5767a71d33618f40f3469eb14f4721483d0dedc15891da11fc3a9b4c1de8d")
