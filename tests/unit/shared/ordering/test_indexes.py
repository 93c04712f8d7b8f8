"""Creating indexes on a collection that already has indexes."""

from typing import Any

import pytest
from pymongo import IndexModel
from pymongo.errors import OperationFailure
from structlog.testing import capture_logs

from shared.ordering import indexes
from shared.ordering.indexes import IndexConflict

UNIQUE = IndexModel(
    [("userid", 1), ("key", 1)], name="one_per_key", unique=True, partialFilterExpression={"key": {"$exists": True}}
)
PLAIN = IndexModel([("userid", 1), ("_id", -1)], name="newest")


class Indexed:
    """A collection with the indexes `present`; creating the index N fails if `conflicts` has an error code for N."""

    name = "orders"

    def __init__(self, *present: dict[str, Any], **conflicts: int) -> None:
        self.present = [{"key": {"_id": 1}, "name": "_id_"}, *present]
        self.conflicts = conflicts

    def list_indexes(self) -> list[dict[str, Any]]:
        return self.present

    def create_indexes(self, models: list[IndexModel]) -> None:
        for model in models:
            if code := self.conflicts.get(model.document["name"]):
                raise OperationFailure("it conflicts", code=code)
        self.present += [dict(model.document) for model in models]

    def names(self) -> list[str]:
        return [index["name"] for index in self.present]


def ensure(collection: Any) -> None:
    indexes.ensure(collection, [UNIQUE, PLAIN])


def test_missing_indexes_are_created_once() -> None:
    collection = Indexed()
    ensure(collection)
    ensure(collection)

    assert collection.names() == ["_id_", "one_per_key", "newest"]


def test_same_index_under_another_name_is_accepted() -> None:
    collection = Indexed(dict(UNIQUE.document) | {"name": "made_by_hand"}, one_per_key=85)
    ensure(collection)

    assert collection.names() == ["_id_", "made_by_hand", "newest"]


@pytest.mark.parametrize("change", [{"unique": False}, {"partialFilterExpression": {}}], ids=str)
def test_error_names_the_index_that_conflicts_with_the_unique_one(change: dict[str, Any]) -> None:
    collection = Indexed(dict(UNIQUE.document) | {"name": "made_by_hand"} | change, one_per_key=85)

    with pytest.raises(IndexConflict, match=r"one_per_key of orders .* \(made_by_hand\)"):
        ensure(collection)


def test_duplicates_that_prevent_the_unique_index_are_reported() -> None:
    with pytest.raises(IndexConflict, match="documents share its key"):
        ensure(Indexed(one_per_key=11000))


def test_conflict_of_a_non_unique_index_is_only_logged() -> None:
    collection = Indexed({"key": {"other": 1}, "name": "newest"}, newest=86)
    with capture_logs() as lines:
        ensure(collection)

    assert "one_per_key" in collection.names()
    assert [(line["event"], line["index"]) for line in lines] == [("index_conflict", "newest")]


def test_error_other_than_a_conflict_is_raised() -> None:
    with pytest.raises(OperationFailure):
        ensure(Indexed(newest=13))
