"""The validator of `orders` on a real MongoDB, with the rights of order-api."""

from copy import deepcopy

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from shared.mongo import Document
from shared.ordering import schema
from shared.store import StoreUnavailable
from support.order_stores import StoreHarness


def present_validator(database: Database[Document]) -> Document:
    (found,) = database.list_collections(filter={"name": schema.COLLECTION})
    validator: Document = found["options"]["validator"]
    return validator


def test_older_validator_is_replaced_and_newer_one_is_kept(
    database: Database[Document], admin: Database[Document]
) -> None:
    first, later = deepcopy(schema.VALIDATOR), deepcopy(schema.VALIDATOR)
    del first["$jsonSchema"]["title"]
    first["$jsonSchema"]["properties"]["cost"]["minimum"] = 1
    later["$jsonSchema"]["title"] = f"orders, version {schema.VERSION + 1}"
    del later["$jsonSchema"]["properties"]["cost"]
    admin.create_collection(schema.COLLECTION, validator=first)

    schema.ensure(database[schema.COLLECTION])
    widened = present_validator(database)
    admin.command("collMod", schema.COLLECTION, validator=later)
    schema.ensure(database[schema.COLLECTION])

    assert widened == schema.VALIDATOR
    assert present_validator(database) == later


def test_insert_widens_a_validator_of_an_older_version(
    real: StoreHarness, database: Database[Document], admin: Database[Document]
) -> None:
    older = deepcopy(schema.VALIDATOR)
    del older["$jsonSchema"]["title"]
    older["$jsonSchema"]["properties"]["cost"]["minimum"] = 1
    admin.command("collMod", schema.COLLECTION, validator=older)
    free = real.make(cost=0)
    real.store.insert(free)

    assert present_validator(database) == schema.VALIDATOR
    found = real.store.find(free["_id"], free["userid"])
    assert found
    assert found["cost"] == 0


def test_insert_that_the_current_validator_rejects_raises_unavailable(real: StoreHarness) -> None:
    malformed = real.make() | {"cost": "text"}

    with pytest.raises(StoreUnavailable):
        real.store.insert(malformed)


def test_insert_succeeds_if_another_request_widens_the_validator_first(
    real: StoreHarness, admin: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    free = real.make(cost=0)
    older = deepcopy(schema.VALIDATOR)
    del older["$jsonSchema"]["title"]
    older["$jsonSchema"]["properties"]["cost"]["minimum"] = 1
    admin.command("collMod", schema.COLLECTION, validator=older)
    widen = schema.widen

    def widened_by_another(orders: Collection[Document]) -> bool:
        assert widen(orders)
        return widen(orders)

    monkeypatch.setattr(schema, "widen", widened_by_another)
    real.store.insert(free)

    assert real.store.find(free["_id"], free["userid"])
