"""The collection `orders`: its name, indexes and validator."""

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from shared.mongo import Document
from shared.ordering import indexes
from shared.ordering.status import Status

COLLECTION = "orders"
NAMESPACE_EXISTS = 48
VERSION = 2  # of the validator: increase it with every change; a version must accept all that the one before accepts
_TITLE = "orders, version "
BUILD_SECONDS = 600.0  # limit for building an index: over many orders, this takes longer than the usual limit of 2 s

INDEXES = [
    IndexModel(
        [("userid", ASCENDING), ("idempotency.key", ASCENDING)],
        name="one_order_per_key",
        unique=True,
        partialFilterExpression={"idempotency.key": {"$exists": True}},
    ),
    IndexModel([("userid", ASCENDING), ("_id", DESCENDING)], name="newest_of_user"),
    IndexModel([("userid", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)], name="newest_of_user_by_status"),
    IndexModel([("outbox.due", ASCENDING)], name="outbox_due", partialFilterExpression={"status": "PLACED"}),
    # for the metrics: the age of the oldest PLACED order, and the number of PLACED orders
    IndexModel(
        [("placed_at", ASCENDING), ("status", ASCENDING)],
        name="oldest_placed",
        partialFilterExpression={"status": "PLACED"},
    ),
    # for operators, who look for the few failed orders among all, and for the metrics
    IndexModel(
        [("status", ASCENDING), ("_id", DESCENDING)],
        name="newest_failed",
        partialFilterExpression={"status": "FAILED"},
    ),
    IndexModel([("history.reason", ASCENDING)], name="failed_by_reason", partialFilterExpression={"status": "FAILED"}),
]

_WHOLE = ["int", "long"]
_STATUS = {"enum": [status.value for status in Status]}
_ITEM = {
    "bsonType": "object",
    "required": ["item", "quantity"],
    "properties": {
        "item": {"bsonType": "string"},
        "quantity": {"bsonType": _WHOLE, "minimum": 1},
        "price": {"bsonType": _WHOLE, "minimum": 0},
    },
}
_CHANGE = {
    "bsonType": "object",
    "required": ["status", "at", "by"],
    "properties": {
        "status": _STATUS,
        "at": {"bsonType": "date"},
        "by": {"bsonType": "string"},
        "reason": {"bsonType": ["string", "null"]},
    },
}
_REQUIRED = ["_id", "userid", "cost", "currency", "orderitems", "status", "version", "placed_at", "history"]
VALIDATOR: Document = {
    "$jsonSchema": {
        "title": f"{_TITLE}{VERSION}",
        "bsonType": "object",
        "required": _REQUIRED,
        "properties": {
            "_id": {"bsonType": "string"},
            "userid": {"bsonType": "string"},
            "cost": {"bsonType": _WHOLE, "minimum": 0},
            "currency": {"bsonType": "string"},
            "orderitems": {"bsonType": "array", "minItems": 1, "items": _ITEM},
            "status": _STATUS,
            "version": {"bsonType": _WHOLE, "minimum": 1},
            "placed_at": {"bsonType": "date"},
            "processed_at": {"bsonType": ["date", "null"]},
            "history": {"bsonType": "array", "minItems": 1, "items": _CHANGE},
            "idempotency": {
                "bsonType": "object",
                "required": ["key", "fingerprint"],
                "properties": {"key": {"bsonType": "string"}, "fingerprint": {"bsonType": "string"}},
            },
            "outbox": {
                "bsonType": "object",
                "required": ["due", "attempts"],
                "properties": {
                    "due": {"bsonType": ["date", "string"]},
                    "attempts": {"bsonType": _WHOLE, "minimum": 0},
                    "claim": {"bsonType": ["string", "null"]},
                    "traceparent": {"bsonType": ["string", "null"]},
                },
            },
            "rearmed": {"bsonType": _WHOLE, "minimum": 0},
        },
    }
}
_SHAPE: Document = {"validator": VALIDATOR, "validationLevel": "moderate", "validationAction": "error"}


def ensure(orders: Collection[Document]) -> None:
    """Create the collection, its validator and its indexes; idempotent, and safe from several replicas at a time.

    The validation level is moderate: orders that do not satisfy the validator can still be changed. A validator of this
    or a later version stays as it is: a replica of an older release must not narrow what a newer one has widened.
    Raise IndexConflict or PyMongoError.
    """
    try:
        orders.database.create_collection(orders.name, check_exists=False, **_SHAPE)
    except OperationFailure as error:
        if error.code != NAMESPACE_EXISTS:
            raise
        widen(orders)
    with pymongo.timeout(BUILD_SECONDS):
        indexes.ensure(orders, INDEXES)


def widen(orders: Collection[Document]) -> bool:
    """Replace the validator if it has an older version; return whether it was replaced. Raise PyMongoError."""
    if _present_version(orders) >= VERSION:
        return False
    orders.database.command("collMod", orders.name, **_SHAPE)
    return True


def _present_version(orders: Collection[Document]) -> int:
    """Return the version in the title of MongoDB's validator, or 0 if there is no validator or no such title."""
    for found in orders.database.list_collections(filter={"name": orders.name}):
        schema = found.get("options", {}).get("validator", {}).get("$jsonSchema", {})
        version = str(schema.get("title", "")).removeprefix(_TITLE)
        return int(version) if version.isascii() and version.isdigit() else 0
    return 0
