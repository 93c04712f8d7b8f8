"""The validator of `orders` on a real MongoDB, with the rights of order-api."""

from copy import deepcopy

from pymongo.database import Database

from shared.mongo import Document
from shared.ordering import schema


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
